// Package plant puts hostile things in the place of files, for tests. These are device nodes,
// pipes, links, mounts, and immutable files. Its only disk is a loop device of a scratch file.
//
// The package imports nothing of this module.
package plant
