// Package behind is about work that goes on after the end of a hook. The package starts
// this program in a process that outlives the hook, and decides when caches and leftovers
// need a look.
//
// It may import config and hostfile.
package behind
