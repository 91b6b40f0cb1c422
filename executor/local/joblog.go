package local

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// The Runner's colours.
const (
	boldRed   = "\x1b[31;1m"
	boldGreen = "\x1b[32;1m"
	boldCyan  = "\x1b[36;1m"
	yellow    = "\x1b[0;33m"
	plain     = "\x1b[0;m"
	clearLine = "\x1b[0K"
)

// jobLog is the job log: the Runner's own lines, and the hooks' output by streams.
type jobLog struct {
	out     io.Writer
	secrets []secret

	mu   sync.Mutex
	own  masker
	mark bool
	now  func() int64
}

// newJobLog returns a log on w. now returns seconds since 1970 for the markers of sections.
// mark turns these markers on.
func newJobLog(w io.Writer, s []secret, mark bool, now func() int64) *jobLog {
	out := &syncWriter{w: w}
	return &jobLog{out: out, secrets: s, own: masker{next: out, secrets: s}, mark: mark, now: now}
}

// text writes raw text of the Runner's own. Errors are dropped: a broken log is no reason
// to stop a job.
func (l *jobLog) text(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.own.Write([]byte(s))
	_ = l.own.flush()
}

func (l *jobLog) print(s string) { l.text(clearLine + s + plain + "\n") }
func (l *jobLog) info(s string)  { l.text(boldGreen + s + plain + "\n") }
func (l *jobLog) warn(s string)  { l.text(yellow + "WARNING: " + s + plain + "\n") }
func (l *jobLog) fail(s string)  { l.text(boldRed + "ERROR: " + s + plain + "\n") }

// section writes a section with its headline around f.
func (l *jobLog) section(name, headline string, f func() error) error {
	l.marker("start", name)
	defer l.marker("end", name)
	l.print(boldCyan + headline + plain)
	return f()
}

func (l *jobLog) marker(edge, name string) {
	if l.mark {
		l.text(fmt.Sprintf("section_%s:%d:%s\r%s", edge, l.now(), name, clearLine))
	}
}

// stream is one output of a hook. Its flush must be called when the hook ends.
func (l *jobLog) stream() *masker { return &masker{next: l.out, secrets: l.secrets} }

// syncWriter lets streams share a writer.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// lineWriter puts a prefix before each line. lineWriter is not safe for concurrent use.
type lineWriter struct {
	next   io.Writer
	prefix string
	held   []byte
}

// Write passes whole lines on, and reports all of p as written.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.held = append(l.held, p...)
	for {
		line, rest, found := bytes.Cut(l.held, []byte("\n"))
		if !found {
			return len(p), nil
		}
		if err := l.line(line); err != nil {
			return 0, err
		}
		l.held = rest
	}
}

// flush passes on a last line without an end.
func (l *lineWriter) flush() {
	if len(l.held) > 0 {
		_ = l.line(l.held)
		l.held = nil
	}
}

func (l *lineWriter) line(line []byte) error {
	_, err := fmt.Fprintf(l.next, "%s%s\n", l.prefix, line)
	return err
}
