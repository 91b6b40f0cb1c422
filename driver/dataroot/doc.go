// Package dataroot works in data roots of docker daemons. The package clears data roots after
// jobs, empties volumes, and copies seeds.
//
// A job may have written anything into a data root, so this package trusts nothing there. Each
// entry is reached by a single name in an open directory, through no link and into no other
// mount. The kind of an entry is known before the entry is opened. Only regular files and
// directories are opened, and no existing file is written to.
//
// The package runs in containers, in a copy of this program. The tools of dind images would not
// do: they follow links and drop extended attributes.
//
// It may import group and pattern.
package dataroot
