package stream

import (
	"bytes"
	"io"
	"sync"
)

// maxWaitingLines bounds the lines that wait for the end of another line, in bytes.
const maxWaitingLines = 256 << 10

// Mixer puts lines of others between the lines of a stream. The stream passes through as it
// comes. A line of others waits until the stream is at the end of a line.
type Mixer struct {
	mu  sync.Mutex
	out io.Writer
	// fresh: the stream is at the beginning of a line.
	fresh   bool
	waiting bytes.Buffer
}

// NewMixer makes a Mixer that writes to out.
func NewMixer(out io.Writer) *Mixer { return &Mixer{out: out, fresh: true} }

// Write takes pieces of the stream.
func (m *Mixer) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	end := bytes.LastIndexByte(p, '\n') + 1
	if m.waiting.Len() > 0 && end > 0 {
		if _, err := m.out.Write(p[:end]); err != nil {
			return 0, err
		}
		if _, err := m.waiting.WriteTo(m.out); err != nil {
			return end, err
		}
		n, err := m.out.Write(p[end:])
		m.fresh = end == len(p)
		return end + n, err
	}
	m.fresh = end == len(p)
	return m.out.Write(p)
}

// Line shows a line of somebody else.
func (m *Mixer) Line(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting.WriteString(text + "\n")
	if m.fresh || m.waiting.Len() > maxWaitingLines {
		m.show()
	}
}

// Flush shows the lines that still wait.
func (m *Mixer) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting.Len() > 0 {
		m.show()
	}
}

// show ends the stream's line if need be; the caller holds m.mu. Errors are dropped, since the
// stream reports a lost output.
func (m *Mixer) show() {
	if !m.fresh {
		_, _ = io.WriteString(m.out, "\n")
		m.fresh = true
	}
	_, _ = m.waiting.WriteTo(m.out)
}
