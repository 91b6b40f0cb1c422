package try

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/pattern"
)

// control matches sequences for colours of a terminal.
var control = pattern.New("\x1b\\[[0-9;]*[A-Za-z]")

// jobLog shows job logs line by line, as they come, without colours where no terminal wants
// them. jobLog is for one writer at a time.
type jobLog struct {
	out    io.Writer
	colour bool
	held   []byte
	// firstLine is the time of the script's first line.
	firstLine time.Time
}

func newJobLog(out io.Writer, env map[string]string) *jobLog {
	return &jobLog{out: out, colour: env["NO_COLOR"] == "" && terminal(out)}
}

func terminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// maxHeld bounds the part of a line that waits for the line's end, in bytes.
const maxHeld = 64 << 10

// Write shows whole lines, and reports all of p as written: a lost terminal is no reason to
// stop a job.
func (l *jobLog) Write(p []byte) (int, error) {
	l.held = append(l.held, p...)
	for {
		line, rest, found := bytes.Cut(l.held, []byte("\n"))
		if !found {
			break
		}
		l.show(string(line) + "\n")
		l.held = rest
	}
	if len(l.held) > maxHeld {
		l.flush()
	}
	return len(p), nil
}

// flush shows a last line without an end.
func (l *jobLog) flush() {
	if len(l.held) > 0 {
		l.show(string(l.held))
		l.held = nil
	}
}

func (l *jobLog) show(line string) {
	bare := control.ReplaceAllString(line, "")
	// The Runner puts this before a command of the script.
	if l.firstLine.IsZero() && strings.HasPrefix(bare, "$ ") {
		l.firstLine = time.Now()
	}
	if !l.colour {
		line = strings.ReplaceAll(bare, "\r\n", "\n")
	}
	_, _ = io.WriteString(l.out, line)
}

// times prints the duration of each hook, in the order of their starts.
func times(out io.Writer, r local.Result, firstLine time.Time) {
	fmt.Fprintf(out, "  %8s  %8s   hook\n", "at", "took")
	for _, p := range r.Phases {
		hook := p.Name
		if p.Kind == local.Run {
			hook = "run " + p.Name
		}
		fmt.Fprintf(out, "  %8s  %8s   %s\n", seconds(p.Start.Sub(r.Started)), seconds(p.Duration), hook)
	}
	if !firstLine.IsZero() {
		fmt.Fprintf(out, "  %8s  %8s   first line of the script\n", seconds(firstLine.Sub(r.Started)), "")
	}
	fmt.Fprintf(out, "  %8s  %8s   end of the job\n", seconds(r.Finished.Sub(r.Started)), "")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
