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

// Stream is a connection with a process in a container, to its stdin and from its outputs.
type Stream struct {
	hijacked types.HijackedResponse
	tty      bool
}

// Write writes to the process's stdin.
func (s *Stream) Write(p []byte) (int, error) { return s.hijacked.Conn.Write(p) }

// CloseWrite ends the process's stdin.
func (s *Stream) CloseWrite() error { return s.hijacked.CloseWrite() }

// Close ends the connection.
func (s *Stream) Close() error { s.hijacked.Close(); return nil }

// CopyTo copies the outputs until they end. A terminal has only one output.
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

// hijack opens a connection that carries a container's streams, or gives up when ctx ends. The
// client watches its context only until it has dialled. An engine silent from then on would hold
// the hook for ever. A connection that comes too late is closed.
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

// Outputs selects the outputs of an attachment, besides stdin.
type Outputs struct{ Stdout, Stderr bool }

// Attach connects with a container's first process.
func (e *Engine) Attach(ctx context.Context, id string, outputs Outputs) (*Stream, error) {
	opts := container.AttachOptions{Stream: true, Stdin: true, Stdout: outputs.Stdout, Stderr: outputs.Stderr}
	return hijack(ctx, false, func() (types.HijackedResponse, error) { return e.api.ContainerAttach(ctx, id, opts) })
}

// Command is a command in a running container.
type Command struct {
	Args []string
	// Environment is added to the container's own.
	Environment []string
	Stdin, TTY  bool
}

// Exec starts a command in a container, and returns its id and its streams. opening bounds the
// start alone.
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

// Resize tells a command the size of its terminal, in characters.
func (e *Engine) Resize(ctx context.Context, exec string, height, width uint) error {
	return e.api.ContainerExecResize(ctx, exec, container.ResizeOptions{Height: height, Width: width})
}

// ExecExit asks for a command's exit code, and whether the command has ended.
func (e *Engine) ExecExit(ctx context.Context, exec string) (code int, ended bool, err error) {
	r, err := e.api.ContainerExecInspect(ctx, exec)
	if err == nil && r.ExecID != exec {
		err = ErrNonsense
	}
	return r.ExitCode, err == nil && !r.Running, err
}

// LogOptions select a part of a container's log.
type LogOptions struct {
	Follow, Timestamps bool
	// Since and Until are times in the engine's form, and Tail a number of lines; empty is all.
	Since, Until, Tail string
}

// Log is a container's log, both outputs in order.
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

// Close ends the reading.
func (l *Log) Close() error { return l.stream.Close() }

// CopyTo copies the log to its end. A log that breaks off is io.ErrUnexpectedEOF.
func (l *Log) CopyTo(stdout, stderr io.Writer) error { return demux(stdout, stderr, l.stream) }

// CopyMost copies no more than most bytes of the log's stream. Headers of the stream count, too.
func (l *Log) CopyMost(out io.Writer, most int64) error {
	_, err := stdcopy.StdCopy(out, out, io.LimitReader(l.stream, most))
	return err
}

// demux copies both outputs, in order. A stream that ends within a frame has broken off and is
// io.ErrUnexpectedEOF. stdcopy alone would take the break for the end.
func demux(stdout, stderr io.Writer, stream io.Reader) error {
	_, err := stdcopy.StdCopy(stdout, stderr, &frames{r: stream})
	return err
}

// frames passes a container's multiplexed stream on, and tracks the position in its frames.
type frames struct {
	r io.Reader
	// header has the bytes seen of the frame's 8-byte header; the last 4 are a length.
	header []byte
	// rest is the number of bytes of the frame still to come.
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

// Conn is a network connection over the streams of a command. It has no deadlines: contexts bound
// the requests.
type Conn struct {
	*Stream
	answers io.Reader
	closer  io.Closer
}

// Dial makes a connection out of a command that connects its stdin and stdout with something.
// bounded puts a limit on the answers.
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

// Read reads the command's answer.
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
