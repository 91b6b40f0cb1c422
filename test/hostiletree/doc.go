// Package hostiletree makes directories as an attacker would leave them for the next job: to
// make it fail, or to make it work elsewhere. They hold links of every kind, devices, pipes and
// sockets, immutable files, odd names, great depth, great width, and endless files. The package
// knows data roots of docker daemons, and attacks that once led out of a data root.
//
// A tree follows from one number, so that a failure can be repeated. All entries lie within the
// given directory. Links lead to places of the caller's choice. The package opens and starts
// nothing of what it plants.
//
// The package imports nothing of this module.
package hostiletree
