package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
)

// control matches what colours a terminal.
var control = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

// colourful tells whether standard output is a terminal that wants colours.
func colourful() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}

// jobLog shows a job log line by line, as it comes, and remembers it. It is for
// one writer at a time.
type jobLog struct {
	out    io.Writer
	colour bool
	held   []byte

	// text is the log without colours.
	text strings.Builder
	// firstLine is when the script's first line came.
	firstLine time.Time
}

func newJobLog(out io.Writer, colour bool) *jobLog { return &jobLog{out: out, colour: colour} }

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
	plain := strings.TrimRight(control.ReplaceAllString(line, ""), "\r")
	// The Runner puts this before a command of the script.
	if l.firstLine.IsZero() && strings.HasPrefix(plain, "$ ") {
		l.firstLine = time.Now()
	}
	l.text.WriteString(plain + "\n")
	if !l.colour {
		line = plain
	}
	// A terminal that is gone is no reason to stop the job.
	_, _ = io.WriteString(l.out, "  "+line+"\n")
}
