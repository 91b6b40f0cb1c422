// Package hostfile opens, reads and writes files on the runner host where somebody else
// could have planted others. A container can plant files in its volume, and a user in a
// directory open to all. The package never follows a planted link, opens a planted file for
// writing, waits for a planted pipe, or takes planted content for ours.
//
// A handle first takes the name and opens nothing (O_PATH). The package opens a file by its
// handle, and only if the handle shows a regular file with one name. A write goes to a new
// file under a random name, which then takes the target's name.
//
// It may import fault.
package hostfile
