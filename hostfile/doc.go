// Package hostfile opens, reads and writes files on the runner host that
// somebody else could have placed: a container in its volume, a user in a
// directory that others can write. Nothing planted there is followed, opened for
// writing, waited for, or read as if it were ours.
//
// A name is first taken by a handle that opens nothing (O_PATH). Only what the
// handle shows to be a regular file with one name is opened, by that handle.
// A write goes to a new file under a random name, which then takes the target's
// name.
//
// It may import fault.
package hostfile
