package engine

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// Stream is a connection with what runs in a container: written to its stdin, and
// copied from its outputs.
type Stream struct {
	hijacked types.HijackedResponse
	tty      bool
}

// Write is for its stdin.
func (s *Stream) Write(p []byte) (int, error) { return s.hijacked.Conn.Write(p) }

// CloseWrite ends its stdin.
func (s *Stream) CloseWrite() error { return s.hijacked.CloseWrite() }

// Close ends the connection.
func (s *Stream) Close() error { s.hijacked.Close(); return nil }

// CopyTo copies its outputs until they end. With a terminal both are one.
func (s *Stream) CopyTo(stdout, stderr io.Writer) error {
	if s.tty {
		_, err := io.Copy(stdout, s.hijacked.Reader)
		return err
	}
	return demux(stdout, stderr, s.hijacked.Reader)
}

// LocalAddr is this end's address.
func (s *Stream) LocalAddr() net.Addr { return s.hijacked.Conn.LocalAddr() }

// RemoteAddr is the engine's.
func (s *Stream) RemoteAddr() net.Addr { return s.hijacked.Conn.RemoteAddr() }

// hijack makes a connection that carries a container's streams, or gives up
// when ctx ends: the client looks at its context only until it has dialled, and
// an engine that then says nothing would hold the hook for ever. A connection
// that comes too late is closed.
func hijack(ctx context.Context, tty bool, open func() (types.HijackedResponse, error)) (*Stream, error) {
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
		if o.err != nil {
			return nil, o.err
		}
		return &Stream{o.conn, tty}, nil
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Outputs are those of a container that an attachment has besides its stdin.
type Outputs struct{ Stdout, Stderr bool }

// Attach connects with a container's first process.
func (e *Engine) Attach(ctx context.Context, id string, outputs Outputs) (*Stream, error) {
	opts := container.AttachOptions{Stream: true, Stdin: true, Stdout: outputs.Stdout, Stderr: outputs.Stderr}
	return hijack(ctx, false, func() (types.HijackedResponse, error) { return e.api.ContainerAttach(ctx, id, opts) })
}

// Command is a command in a running container.
type Command struct {
	Args []string
	// Environment is besides the container's own.
	Environment []string
	Stdin, TTY  bool
}

// Exec starts a command in a container, and returns its id and its streams. opening
// bounds the start alone.
func (e *Engine) Exec(opening, ctx context.Context, id string, c Command) (exec string, s *Stream, err error) {
	made, err := e.api.ContainerExecCreate(opening, id, container.ExecOptions{
		Cmd: c.Args, Env: c.Environment, Tty: c.TTY, AttachStdin: c.Stdin, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return "", nil, err
	}
	s, err = hijack(opening, c.TTY, func() (types.HijackedResponse, error) {
		return e.api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: c.TTY})
	})
	return made.ID, s, err
}

// Resize tells a command of its terminal's size, in characters.
func (e *Engine) Resize(ctx context.Context, exec string, height, width uint) error {
	return e.api.ContainerExecResize(ctx, exec, container.ResizeOptions{Height: height, Width: width})
}

// ExecExit asks for a command's exit code, and whether it has ended.
func (e *Engine) ExecExit(ctx context.Context, exec string) (code int, ended bool, err error) {
	r, err := e.api.ContainerExecInspect(ctx, exec)
	if err == nil && r.ExecID != exec {
		err = ErrNonsense
	}
	return r.ExitCode, err == nil && !r.Running, err
}

// LogOptions say what of a container's log is wanted.
type LogOptions struct {
	Follow, Timestamps bool
	// Since and Until are times as the engine writes them, and Tail a number of lines;
	// empty is all.
	Since, Until, Tail string
}

// Log is a container's, both outputs in order.
type Log struct{ stream io.ReadCloser }

// Log opens a container's log.
func (e *Engine) Log(ctx context.Context, id string, o LogOptions) (*Log, error) {
	stream, err := e.api.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: o.Follow, Timestamps: o.Timestamps, Since: o.Since, Until: o.Until, Tail: o.Tail,
	})
	if err != nil {
		return nil, err
	}
	return &Log{stream}, nil
}

// Close ends it.
func (l *Log) Close() error { return l.stream.Close() }

// CopyTo copies it to its end. A log that is broken off is io.ErrUnexpectedEOF.
func (l *Log) CopyTo(stdout, stderr io.Writer) error { return demux(stdout, stderr, l.stream) }

// CopyMost copies so many bytes of it at most, of which some are not the
// container's.
func (l *Log) CopyMost(out io.Writer, most int64) error {
	_, err := stdcopy.StdCopy(out, out, io.LimitReader(l.stream, most))
	return err
}

// demux copies both outputs, in order. A stream that ends within a frame was broken
// off, and io.ErrUnexpectedEOF: stdcopy takes that for its end.
func demux(stdout, stderr io.Writer, stream io.Reader) error {
	_, err := stdcopy.StdCopy(stdout, stderr, &frames{r: stream})
	return err
}

// frames passes a container's multiplexed stream on and keeps count of where it
// is in it.
type frames struct {
	r io.Reader
	// header is what has come of the frame's 8 bytes; the last 4 are a length.
	header []byte
	// rest is how much of the frame is still to come.
	rest uint32
}

func (f *frames) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	for read := p[:n]; len(read) > 0; {
		if f.rest > 0 {
			k := min(uint32(len(read)), f.rest)
			f.rest -= k
			read = read[k:]
			continue
		}
		k := min(len(read), 8-len(f.header))
		f.header = append(f.header, read[:k]...)
		read = read[k:]
		if len(f.header) == 8 {
			f.rest, f.header = binary.BigEndian.Uint32(f.header[4:]), f.header[:0]
		}
	}
	if err == io.EOF && (f.rest > 0 || len(f.header) > 0) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Conn is a network connection over the streams of a command. It has no deadlines:
// contexts end what is asked.
type Conn struct {
	*Stream
	answers io.Reader
	closer  io.Closer
}

// Dial makes a connection of a command that passes its stdin and its stdout on to
// something. bounded limits what it may answer.
func (e *Engine) Dial(ctx context.Context, id string, args []string, bounded func(io.Reader) io.Reader) (net.Conn, error) {
	_, s, err := e.Exec(ctx, ctx, id, Command{Args: args, Stdin: true})
	if err != nil {
		return nil, err
	}
	answers, w := io.Pipe()
	go func() {
		_, err := stdcopy.StdCopy(w, io.Discard, s.hijacked.Reader)
		_ = w.CloseWithError(err) // nil is the end
	}()
	return &Conn{s, bounded(answers), answers}, nil
}

// Read takes what the command answers.
func (c *Conn) Read(p []byte) (int, error) { return c.answers.Read(p) }

// Close ends both directions.
func (c *Conn) Close() error {
	_ = c.Stream.Close()
	return c.closer.Close()
}

// SetDeadline does nothing.
func (*Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (*Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (*Conn) SetWriteDeadline(time.Time) error { return nil }
