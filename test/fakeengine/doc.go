// Package fakeengine is a stand-in for a Docker Engine that fails on demand. It speaks the
// driver's part of the API, keeps its objects in memory and runs nothing.
//
// The package imports nothing of this module and no Docker client. Its answers are written down
// here as the API documents them.
package fakeengine
