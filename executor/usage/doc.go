// Package usage arranges the command line for people: groups of commands, an example for
// each, and flags in one column.
//
// It imports nothing of this module.
package usage
