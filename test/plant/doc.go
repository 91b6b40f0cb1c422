// Package plant puts hostile things in the place of files, for tests: device
// nodes, pipes, links, mounts, and files that nobody can change. The only disk that
// it names is a loop device of a scratch file.
//
// It imports nothing of this module.
package plant
