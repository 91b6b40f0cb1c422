// Package group runs things side by side, as errgroup does, and turns a panic into an
// error. Nothing else could catch such a panic, and a hook would end without a line for the
// author of the pipeline.
//
// The package imports errgroup and the standard library only.
package group
