package joblog

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// The rules of output. The job log belongs to the person who wrote the
// pipeline: one short line per thing that matters, no timestamps (the Runner
// adds them), no Docker jargon that they did not write. An error is one line
// that says what failed, then a hint line that says what to do. Colours are the
// Runner's own. What few want to read is in a section that begins collapsed: the
// Runner has one around each hook, and GitLab nests them from 16.7 on.
const (
	yellow = "\x1b[0;33m"
	red    = "\x1b[31;1m"
	grey   = "\x1b[0;37m"
	plain  = "\x1b[0;m"
	// clearLine stands around a section's marker, which GitLab takes out.
	clearLine = "\x1b[0K"
)

// Log writes lines to the job log, without control sequences but its own. It is
// safe for several goroutines.
type Log struct {
	mu sync.Mutex
	// Out gets the lines.
	Out io.Writer
	// Colour is off where a person's terminal or a log file reads along.
	Colour bool
	// Folds says that this GitLab understands sections.
	Folds bool
	// Hide takes secrets out where nobody masks them; nil where the Runner does.
	Hide func(string) string
	// sections is how many there were: their names must differ.
	sections int
}

func (l *Log) line(colour, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.Out, l.in(colour, l.safe(text)))
}

// safe is a text without what a terminal would obey, or what must be hidden.
func (l *Log) safe(text string) string {
	text = wary.Text(text)
	if l.Hide != nil {
		text = l.Hide(text)
	}
	return text
}

func (l *Log) in(colour, text string) string {
	if l.Colour && colour != "" {
		return colour + text + plain
	}
	return text
}

// warning is a warning with a hint, for another to say.
func (l *Log) warning(text, hint string) string {
	return l.in(yellow, "warning: "+text) + "\nhint: " + hint
}

// Say says what matters on one line.
func (l *Log) Say(text string) { l.line("", text) }

// Warn says its first line; what follows that is in a section.
func (l *Log) Warn(text string) {
	first, rest, folded := strings.Cut("warning: "+text, "\n")
	if !folded {
		l.line(yellow, first)
		return
	}
	l.section(yellow, first, rest)
}

// section is a line that unfolds to more of them.
func (l *Log) section(colour, headline, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	headline, text = l.in(colour, l.safe(headline)), strings.TrimRight(l.safe(text), "\n")
	if !l.Folds || !l.Colour {
		fmt.Fprintf(l.Out, "%s\n%s\n", headline, text)
		return
	}
	l.sections++
	now := time.Now().Unix()
	name := fmt.Sprintf("dind_%d_%d", os.Getpid(), l.sections)
	// In one piece: another writer's line would end up in the section.
	fmt.Fprintf(l.Out, "%[1]ssection_start:%[2]d:%[3]s[hide_duration=true,collapsed=true]\r%[1]s%[4]s\n%[5]s\n%[1]ssection_end:%[2]d:%[3]s\r%[1]s",
		clearLine, now, name, headline, text)
}

// Images says which images a job has, and by which digests.
func (l *Log) Images(list []images.UsedImage) {
	if len(list) == 0 {
		return
	}
	var names, digests []string
	for _, i := range list {
		names, digests = append(names, i.Name), append(digests, "  "+i.Name+" is "+i.Digest)
	}
	l.section("", "using "+strings.Join(names, ", "), strings.Join(digests, "\n"))
}

// OfService is a line that a service printed, as the Runner's own executors
// show it.
func (l *Log) OfService(service, text string) string {
	line := "[service:" + wary.Line(service) + "] " + wary.Text(text)
	if l.Colour {
		line = grey + line + plain
	}
	return line
}

// Fail shows an error and its hint.
func (l *Log) Fail(err error) {
	l.line(red, "error: "+strings.TrimSpace(err.Error()))
	if hint := fault.HintOf(err); hint != "" {
		l.line("", "hint: "+hint)
	}
}

// Explain shows why a script failed.
func (l *Log) Explain(reason, hint string) {
	l.line(yellow, "diagnosis: "+reason)
	l.line("", "hint: "+hint)
}

// EndedService tells of a service that ended before a script that failed did: that is
// sure, and whether the script failed for it is not. One with code 0 may have done its
// work, so that is no warning. shown says that the log has what services print.
func (l *Log) EndedService(e stages.EndedService, shown bool) {
	text := fmt.Sprintf("service %s ended with exit code %d before the script ended", e.Name, e.Code)
	if e.OutOfMemory {
		text += ", out of memory"
	}
	switch {
	case e.Code == 0:
		l.Say(text)
	case shown:
		l.Warn(text)
	default:
		l.Warn(text + e.Log)
	}
}
