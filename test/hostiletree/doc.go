// Package hostiletree makes hostile directories. An attacker would leave such a directory for
// the next job, to make the job fail or work elsewhere. They hold links of every kind, devices,
// pipes and sockets, immutable files, odd names, great depth, great width, and endless files.
// The package knows data roots of docker daemons, and attacks from the past that led out of a
// data root.
//
// A tree follows from a number, so a failure can be repeated. All entries lie within the given
// directory. Links lead to places of the caller's choice. The package opens and starts nothing
// in the tree.
//
// The package imports nothing of this module.
package hostiletree
