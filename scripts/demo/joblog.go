package main

import (
	"bytes"
	"io"
	"strings"
)

// jobLog shows the output of the command try line by line, a little to the right, and remembers
// the output. It is for one writer at a time.
type jobLog struct {
	out  io.Writer
	held []byte
	// text is the whole output.
	text strings.Builder
}

// Write shows whole lines. It reports all of p as written.
func (l *jobLog) Write(p []byte) (int, error) {
	l.held = append(l.held, p...)
	for {
		line, rest, found := bytes.Cut(l.held, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.show(string(line))
		l.held = rest
	}
}

// flush shows a last line without an end.
func (l *jobLog) flush() {
	if len(l.held) > 0 {
		l.show(string(l.held))
		l.held = nil
	}
}

func (l *jobLog) show(line string) {
	l.text.WriteString(line + "\n")
	if line != "" {
		line = "  " + line
	}
	// A closed terminal is no reason to stop the job.
	_, _ = io.WriteString(l.out, line+"\n")
}
