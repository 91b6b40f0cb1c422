package driver

import (
	"context"
	"io"
	"time"

	"gitlab-dind-executor/driver/engine"
)

// maxPrinted bounds what is held of what a command in a container prints, in bytes:
// the program may be the job's own.
const maxPrinted = 64 << 10

// exec runs a command in a running container with input on its stdin and both
// of its outputs, in order, on out. It returns the command's exit code. When
// ctx ends it stops reading and returns ctx's error; the command is the
// caller's to end.
func (d *Driver) exec(ctx context.Context, id string, command []string, input io.Reader, out io.Writer) (int, error) {
	exec, conn, err := d.eng.Exec(ctx, ctx, id, engine.Command{Args: command, Stdin: input != nil})
	if err != nil {
		return 0, d.eng.Explain("starting a command in a container", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if input != nil {
		go func() {
			_, _ = io.Copy(conn, input) // a command may end before it has read all
			_ = conn.CloseWrite()
		}()
	}
	if err := conn.CopyTo(out, out); err != nil && ctx.Err() == nil {
		return 0, brokenOff{d.eng.Explain("reading a command's output", err)}
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return d.execCode(ctx, exec)
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
		code, ended, err := d.eng.ExecExit(ctx, exec)
		if err != nil {
			return 0, d.eng.Explain("asking for a command's exit code", err)
		}
		if ended {
			return code, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
