// Package behind is what goes on when a hook has ended: a process of this program that
// outlives it, and whether what is cached is to be looked after.
//
// It may import config and hostfile.
package behind
