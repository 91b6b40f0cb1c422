package wary

import (
	"errors"
	"io"
)

// ErrTooMuch says: the answer was longer than its bound.
var ErrTooMuch = errors.New("the answer is too long")

// Reader reads at most the given number of bytes of r and returns ErrTooMuch for any more.
// io.LimitReader, in contrast, makes a cut answer look whole.
func Reader(r io.Reader, most int64) io.Reader { return &reader{r, most} }

type reader struct {
	r    io.Reader
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, ErrTooMuch
	}
	n, err := r.r.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// Buffer holds the first Most bytes written to it, and throws the rest away. Its use is the
// output of a command in a container.
type Buffer struct {
	Most int
	held []byte
}

// Write never fails: a command hangs when nobody takes its output.
func (b *Buffer) Write(p []byte) (int, error) {
	b.held = append(b.held, p[:min(len(p), max(0, b.Most-len(b.held)))]...)
	return len(p), nil
}

// String returns the held bytes.
func (b *Buffer) String() string { return string(b.held) }
