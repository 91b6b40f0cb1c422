package engine

import (
	"context"
	"io"
	"time"
)

// MaxPrinted bounds the output kept of a command in a container, in bytes. The program may be the
// job's own.
const MaxPrinted = 64 << 10

// Run runs a command in a running container, with input on stdin. Both outputs go to out, in
// order. The answer is the command's exit code. When ctx ends, Run stops reading and returns the
// context's error. The command may go on, and the caller has to end it.
func (e *Engine) Run(ctx context.Context, id string, command []string, input io.Reader, out io.Writer) (int, error) {
	exec, conn, err := e.Exec(ctx, ctx, id, Command{Args: command, Stdin: input != nil})
	if err != nil {
		return 0, e.Explain("starting a command in a container", err)
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
		return 0, BrokenOff{e.Explain("reading a command's output", err)}
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return e.ExecCode(ctx, exec)
}

// exitEvery is the pause between two questions for an exit code.
const exitEvery = 10 * time.Millisecond

// BrokenOff is the error of a stream that ended early. The command may go on.
type BrokenOff struct{ Err error }

// Error is the stream's error.
func (b BrokenOff) Error() string { return b.Err.Error() }

// Unwrap is the stream's error.
func (b BrokenOff) Unwrap() error { return b.Err }

// ExecCode asks for a finished command's exit code. The stream can end a moment before the engine
// knows the code.
func (e *Engine) ExecCode(ctx context.Context, exec string) (int, error) {
	tick := time.NewTicker(exitEvery)
	defer tick.Stop()
	for {
		code, ended, err := e.ExecExit(ctx, exec)
		if err != nil {
			return 0, e.Explain("asking for a command's exit code", err)
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
