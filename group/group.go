package group

import (
	"context"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"
)

// Group is an errgroup.Group. Its zero value is ready.
type Group struct {
	own errgroup.Group
	// with is the group of WithContext, if any.
	with *errgroup.Group
}

// WithContext returns a group and a context that ends with the first error, or
// with Wait.
func WithContext(ctx context.Context) (*Group, context.Context) {
	with, ctx := errgroup.WithContext(ctx)
	return &Group{with: with}, ctx
}

func (g *Group) inner() *errgroup.Group {
	if g.with != nil {
		return g.with
	}
	return &g.own
}

// SetLimit bounds the number of functions that run at once.
func (g *Group) SetLimit(n int) { g.inner().SetLimit(n) }

// Go runs f in a goroutine.
func (g *Group) Go(f func() error) { g.inner().Go(func() error { return Guard(f) }) }

// Wait returns the first error once all functions have ended.
func (g *Group) Wait() error { return g.inner().Wait() }

// Panic is a panic as an error.
type Panic struct {
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// Error names the panic. The stack is left out: only developers need it.
func (p *Panic) Error() string {
	return fmt.Sprintf("a fault of gitlab-dind-executor itself: %v", p.Value)
}

// Guard calls f and turns its panic into an error.
func Guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Panic{r, debug.Stack()}
		}
	}()
	return f()
}
