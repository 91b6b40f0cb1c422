package stream

import (
	"bytes"
	"io"
	"sync"
)

// maxWaitingLines bounds what waits for the end of a line, in bytes.
const maxWaitingLines = 256 << 10

// Mixer puts lines of others between those of a stream. The stream passes
// through as it comes; a line waits until the stream is at the end of one.
type Mixer struct {
	mu  sync.Mutex
	out io.Writer
	// fresh says that the stream is at the beginning of a line.
	fresh   bool
	waiting bytes.Buffer
}

// NewMixer mixes lines into what it writes to out.
func NewMixer(out io.Writer) *Mixer { return &Mixer{out: out, fresh: true} }

// Write is for the stream.
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

// Line shows a line of somebody else's.
func (m *Mixer) Line(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting.WriteString(text + "\n")
	if m.fresh || m.waiting.Len() > maxWaitingLines {
		m.show()
	}
}

// Flush shows what still waits.
func (m *Mixer) Flush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting.Len() > 0 {
		m.show()
	}
}

// show ends the stream's line if it has to; m.mu is held. An output that is gone
// is the stream's to tell.
func (m *Mixer) show() {
	if !m.fresh {
		_, _ = io.WriteString(m.out, "\n")
		m.fresh = true
	}
	_, _ = m.waiting.WriteTo(m.out)
}
