package stream

import (
	"bytes"
	"io"
)

// Marker passes on the output of an ENTRYPOINT, and notices the line by which the shell behind
// reports itself. This line is not passed on. A Marker is for one writing goroutine.
type Marker struct {
	out    io.Writer
	marker []byte
	// held is the beginning of a line that may still become the marker.
	held []byte
	// Found is closed when the line has come. Seen tells the same to the writing goroutine, and
	// to others once that has ended.
	Found chan struct{}
	Seen  bool
}

// NewMarker passes on to out everything before and behind the marker's line.
func NewMarker(out io.Writer, marker string) *Marker {
	return &Marker{out: out, marker: []byte(marker), Found: make(chan struct{})}
}

// Write takes any piece of the stream. The marker may follow text without a line's end of its
// own, so the search looks at the ends of lines.
func (m *Marker) Write(p []byte) (int, error) {
	if m.Seen {
		_, err := m.out.Write(p)
		return len(p), err
	}
	m.held = append(m.held, p...)
	for {
		end := bytes.IndexByte(m.held, '\n')
		if end < 0 {
			break
		}
		line := m.held[:end+1]
		rest := m.held[end+1:]
		if text, ok := bytes.CutSuffix(bytes.TrimRight(line, "\r\n"), m.marker); ok {
			m.Seen = true
			_, err := m.out.Write(text)
			if err == nil {
				_, err = m.out.Write(rest)
			}
			m.held = nil
			close(m.Found)
			return len(p), err
		}
		if _, err := m.out.Write(line); err != nil {
			return len(p), err
		}
		m.held = rest
	}
	// Text that cannot become the marker need not wait for its line's end.
	if keep := len(m.marker); len(m.held) > 64*keep {
		if _, err := m.out.Write(m.held[:len(m.held)-keep]); err != nil {
			return len(p), err
		}
		m.held = m.held[len(m.held)-keep:]
	}
	return len(p), nil
}

// Flush passes on a last line without an end.
func (m *Marker) Flush() error {
	_, err := m.out.Write(m.held)
	m.held = nil
	return err
}
