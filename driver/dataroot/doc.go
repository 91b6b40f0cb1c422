// Package dataroot works in data roots of docker daemons: it clears those that
// jobs leave behind, empties volumes, and copies seeds.
//
// A job may have written whatever it likes into a data root. So this package trusts
// nothing that it finds there. It reaches each entry by a single name in a directory
// that it holds open, through no link and into no other mount. It knows what an entry
// is before it opens one, and opens regular files and directories alone. It writes
// into no file that is there.
//
// It runs in containers, as a copy of this program, since what dind images have for
// it follows links and drops extended attributes.
//
// It may import group.
package dataroot
