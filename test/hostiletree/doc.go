// Package hostiletree makes directories as somebody would leave them who wants
// what comes next to fail, or to do its work elsewhere: links of every kind,
// devices, pipes and sockets, immutable files, odd names, great depth, great width,
// files without end. It knows data roots of docker daemons, and what has led out of
// one before.
//
// A tree follows from one number, so that a failure can be had again. Whatever is
// made lies within the directory that is given; links lead where the caller says.
// Nothing that is planted is opened or started here.
//
// It imports nothing of this module.
package hostiletree
