package driver

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"

	"gitlab-dind-executor/fault"
)

// maxPrinted bounds what is held of what a command in a container prints, in bytes:
// the program may be the job's own.
const maxPrinted = 64 << 10

// exec runs a command in a running container with input on its stdin and both
// of its outputs, in order, on out. It returns the command's exit code. When
// ctx ends it stops reading and returns ctx's error; the command is the
// caller's to end.
func (d *Driver) exec(ctx context.Context, id string, command []string, input io.Reader, out io.Writer) (int, error) {
	e, err := d.api.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: command, AttachStdin: input != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, d.explain("starting a command in a container", err)
	}
	conn, err := hijack(ctx, func() (types.HijackedResponse, error) {
		return d.api.ContainerExecAttach(ctx, e.ID, container.ExecAttachOptions{})
	})
	if err != nil {
		return 0, d.explain("starting a command in a container", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	if input != nil {
		go func() {
			_, _ = io.Copy(conn.Conn, input) // a command may end before it has read all
			_ = conn.CloseWrite()
		}()
	}
	if err := copyOutput(out, conn.Reader); err != nil && ctx.Err() == nil {
		return 0, brokenOff{d.explain("reading a command's output", err)}
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return d.execCode(ctx, e.ID)
}

// brokenOff is the end of a stream before its time: the command may go on.
type brokenOff struct{ error }

func (b brokenOff) Unwrap() error { return b.error }

// execCode asks for a finished command's exit code. The stream can end a
// moment before the engine knows of it.
func (d *Driver) execCode(ctx context.Context, exec string) (int, error) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		r, err := d.api.ContainerExecInspect(ctx, exec)
		if err != nil {
			return 0, d.explain("asking for a command's exit code", err)
		}
		if r.ExecID != exec {
			return 0, fault.System(fmt.Errorf("asking for a command's exit code: %w", errNonsense), "")
		}
		if !r.Running {
			return r.ExitCode, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
