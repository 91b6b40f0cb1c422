package executor

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"gitlab-dind-executor/fault"
)

// The rules of output. The job log belongs to the person who wrote the
// pipeline: one short line per thing that matters, no timestamps (the Runner
// adds them), no Docker jargon that they did not write. An error is one line
// that says what failed, then a hint line that says what to do. Colours are the
// Runner's own.
const (
	yellow = "\x1b[0;33m"
	red    = "\x1b[31;1m"
	grey   = "\x1b[0;37m"
	plain  = "\x1b[0;m"
)

// jobLog writes lines to the job log. It is safe for several goroutines.
type jobLog struct {
	mu  sync.Mutex
	out io.Writer
	// colour is off where a person's terminal or a log file reads along.
	colour bool
}

func (l *jobLog) line(colour, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.out, l.in(colour, text))
}

func (l *jobLog) in(colour, text string) string {
	if l.colour && colour != "" {
		return colour + text + plain
	}
	return text
}

// warning is a warning with a hint, for another to say.
func (l *jobLog) warning(text, hint string) string {
	return l.in(yellow, "warning: "+text) + "\nhint: " + hint
}

func (l *jobLog) say(text string) { l.line("", text) }

func (l *jobLog) warn(text string) { l.line(yellow, "warning: "+text) }

// ofService is a line that a service printed, as the Runner's own executors
// show it.
func (l *jobLog) ofService(service, text string) string {
	line := "[service:" + service + "] " + text
	if l.colour {
		line = grey + line + plain
	}
	return line
}

// fail shows an error and its hint.
func (l *jobLog) fail(err error) {
	l.line(red, "error: "+strings.TrimSpace(err.Error()))
	if hint := fault.HintOf(err); hint != "" {
		l.line("", "hint: "+hint)
	}
}

// explain shows why a script failed.
func (l *jobLog) explain(d diagnosis) {
	l.line(yellow, "diagnosis: "+d.line)
	l.line("", "hint: "+d.hint)
}
