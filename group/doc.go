// Package group does things side by side, as errgroup does, and turns a panic in
// one of them into an error: nothing else could catch it, and a hook would end
// without a line that the Runner's reader understands.
//
// It imports errgroup and the standard library only.
package group
