package diagnosis

import (
	"bytes"
	"sync"
)

// Tail keeps the end of a script's output for the search for the reason of a failure. Tail
// is safe for several goroutines.
type Tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool
}

// tailSize, in bytes, is enough for the last step of a build with its context.
const tailSize = 32 << 10

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*tailSize {
		t.buf, t.cut = append([]byte(nil), t.buf[len(t.buf)-tailSize:]...), true
	}
	return len(p), nil
}

// String returns the kept output: whole lines if there are any, 32 KiB at most.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	end := t.buf[max(0, len(t.buf)-tailSize):]
	if t.cut || len(end) < len(t.buf) {
		end = end[bytes.IndexByte(end, '\n')+1:]
	}
	return string(end)
}
