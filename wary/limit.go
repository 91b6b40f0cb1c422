package wary

import (
	"errors"
	"io"
)

// ErrTooMuch says that somebody said more than anybody wants to hear.
var ErrTooMuch = errors.New("the answer is too long")

// Reader reads at most so many bytes of r. What comes after them is ErrTooMuch,
// while io.LimitReader would make a cut answer look whole.
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

// Buffer holds the first Most bytes that are written to it and throws the rest
// away, as what a command in a container prints.
type Buffer struct {
	Most int
	held []byte
}

// Write never fails: a command whose output nobody takes would hang.
func (b *Buffer) Write(p []byte) (int, error) {
	b.held = append(b.held, p[:min(len(p), max(0, b.Most-len(b.held)))]...)
	return len(p), nil
}

// String returns what is held.
func (b *Buffer) String() string { return string(b.held) }
