package driver

import (
	"context"

	"github.com/docker/docker/api/types"
)

// hijack makes a connection that carries a container's streams, or gives up
// when ctx ends: the client looks at its context only until it has dialled, and
// an engine that then says nothing would hold the hook for ever. A connection
// that comes too late is closed.
func hijack(ctx context.Context, open func() (types.HijackedResponse, error)) (types.HijackedResponse, error) {
	type opened struct {
		conn types.HijackedResponse
		err  error
	}
	done := make(chan opened, 1)
	go func() {
		conn, err := open()
		done <- opened{conn, err}
	}()
	select {
	case o := <-done:
		return o.conn, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.conn.Close()
			}
		}()
		return types.HijackedResponse{}, ctx.Err()
	}
}
