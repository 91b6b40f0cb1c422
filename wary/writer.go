package wary

import (
	"io"
	"sync"
)

// Writer passes the harmless part of its input on to out, as Text does. A sequence may
// begin in one piece and end in another. Writer is safe for several goroutines. Write
// reports all of its bytes as written unless out fails.
func Writer(out io.Writer) io.Writer { return &writer{out: out} }

type writer struct {
	mu  sync.Mutex
	out io.Writer
	cleaner
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if left := w.clean(make([]byte, 0, len(p)), p); len(left) > 0 {
		if _, err := w.out.Write(left); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}
