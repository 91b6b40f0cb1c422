package driver

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"gitlab-dind-executor/wary"
)

// maxInner bounds what one connection to an inner daemon may answer, in bytes. A
// pull tells its progress there, some hundred bytes for each step of a layer.
const maxInner = 64 << 20

// inner connects to the docker daemon in a sidecar, by way of the engine: from
// wherever that can be reached, and without certificates.
func (d *Driver) inner(sidecar string) (*Driver, error) {
	api, err := client.NewClientWithOpts(
		client.WithHost("tcp://sidecar:2375"), // never dialled
		client.WithDialContext(func(ctx context.Context, _, _ string) (net.Conn, error) { return d.dialInner(ctx, sidecar) }),
		client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("the docker daemon in the sidecar: %w", err)
	}
	return &Driver{api: api, host: "sidecar " + sidecar}, nil
}

// dialInner opens a connection through the docker client in a sidecar.
func (d *Driver) dialInner(ctx context.Context, sidecar string) (net.Conn, error) {
	e, err := d.api.ContainerExecCreate(ctx, sidecar, container.ExecOptions{
		Cmd:         []string{"docker", "--host", "unix:///var/run/docker.sock", "system", "dial-stdio"},
		AttachStdin: true, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, err
	}
	streams, err := hijack(ctx, func() (types.HijackedResponse, error) {
		return d.api.ContainerExecAttach(ctx, e.ID, container.ExecAttachOptions{})
	})
	if err != nil {
		return nil, err
	}
	answers, w := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(w, io.Discard, streams.Reader)
		_ = w.CloseWithError(err) // nil is the end
	}()
	return &innerConn{streams: streams, closer: answers, answers: wary.Reader(answers, maxInner)}, nil
}

// innerConn is a connection over the streams of a command. It has no deadlines:
// contexts end what is asked.
type innerConn struct {
	streams types.HijackedResponse
	closer  io.Closer
	answers io.Reader
}

func (c *innerConn) Read(p []byte) (int, error)  { return c.answers.Read(p) }
func (c *innerConn) Write(p []byte) (int, error) { return c.streams.Conn.Write(p) }

func (c *innerConn) Close() error {
	c.streams.Close()
	return c.closer.Close()
}

func (c *innerConn) LocalAddr() net.Addr              { return c.streams.Conn.LocalAddr() }
func (c *innerConn) RemoteAddr() net.Addr             { return c.streams.Conn.RemoteAddr() }
func (*innerConn) SetDeadline(time.Time) error        { return nil }
func (*innerConn) SetReadDeadline(time.Time) error    { return nil }
func (*innerConn) SetWriteDeadline(t time.Time) error { return nil }
