package engine

import (
	"context"
	"fmt"
	"net"

	"github.com/docker/docker/client"
)

// OpenBy connects to an engine over connections made by dial. address is for messages.
func OpenBy(address string, dial func(ctx context.Context) (net.Conn, error)) (*Engine, error) {
	api, err := client.NewClientWithOpts(
		client.WithHost("tcp://engine:2375"), // never dialled
		client.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }),
		client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("the docker daemon in the sidecar: %w", err)
	}
	return &Engine{api: api, address: address}, nil
}
