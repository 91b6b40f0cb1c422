// Package fakeengine is a stand-in for a Docker Engine that fails as it is
// told to. It speaks as much of the API as the driver needs, keeps its objects
// in memory and runs nothing.
//
// It imports nothing of this module and no Docker client: what it answers is
// written down here as the API documents it.
package fakeengine
