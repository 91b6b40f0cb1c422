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

// The rules of output. The job log belongs to the author of the pipeline. Each thing that
// matters has one short line, without a timestamp, which the Runner adds, and without
// Docker jargon of ours. An error has two lines: the failure, then a hint about the cure.
// Colours are the Runner's own. Details for few readers are in a collapsed section. The
// Runner has a section around each hook, and GitLab nests sections from 16.7 on.
const (
	yellow = "\x1b[0;33m"
	red    = "\x1b[31;1m"
	grey   = "\x1b[0;37m"
	plain  = "\x1b[0;m"
	// clearLine stands around a section's marker, and GitLab takes both out.
	clearLine = "\x1b[0K"
)

// Log writes lines to the job log, without control sequences except its own. Log is safe
// for several goroutines.
type Log struct {
	mu sync.Mutex
	// Out gets the lines.
	Out io.Writer
	// Colour is off where a person's terminal or a log file reads along.
	Colour bool
	// Folds tells whether this GitLab understands sections.
	Folds bool
	// Hide takes secrets out of lines that nobody masks; nil where the Runner masks them.
	Hide func(string) string
	// sections counts the sections so far: their names must differ.
	sections int
}

func (l *Log) line(colour, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintln(l.Out, l.in(colour, l.safe(text)))
}

// safe returns a text without control sequences and without hidden secrets.
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

// warning returns a warning with a hint, for another program to print.
func (l *Log) warning(text, hint string) string {
	return l.in(yellow, "warning: "+text) + "\nhint: " + hint
}

// Say logs a line.
func (l *Log) Say(text string) { l.line("", text) }

// Warn logs the first line of a warning. The other lines are in a section.
func (l *Log) Warn(text string) {
	first, rest, folded := strings.Cut("warning: "+text, "\n")
	if !folded {
		l.line(yellow, first)
		return
	}
	l.section(yellow, first, rest)
}

// section logs a line that unfolds to the lines of text.
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
	// A single write keeps other writers' lines out of the section.
	fmt.Fprintf(l.Out, "%[1]ssection_start:%[2]d:%[3]s[hide_duration=true,collapsed=true]\r%[1]s%[4]s\n%[5]s\n%[1]ssection_end:%[2]d:%[3]s\r%[1]s",
		clearLine, now, name, headline, text)
}

// Images names the images of a job. The digests of those that it fetched are in a
// section: a tag in the registry may have moved since the job before.
func (l *Log) Images(list []images.UsedImage) {
	if len(list) == 0 {
		return
	}
	var names, digests []string
	for _, i := range list {
		names = append(names, i.Name)
		if i.Fetched {
			digests = append(digests, "  "+i.Name+" is "+i.Digest)
		}
	}
	if len(digests) == 0 {
		l.Say("using " + strings.Join(names, ", "))
		return
	}
	l.section("", "using "+strings.Join(names, ", "), strings.Join(digests, "\n"))
}

// OfService returns a line of a service's output as the Runner's own executors show it.
func (l *Log) OfService(service, text string) string {
	line := "[service:" + wary.Line(service) + "] " + wary.Text(text)
	if l.Colour {
		line = grey + line + plain
	}
	return line
}

// Fail logs an error and its hint.
func (l *Log) Fail(err error) {
	l.line(red, "error: "+strings.TrimSpace(err.Error()))
	if hint := fault.HintOf(err); hint != "" {
		l.line("", "hint: "+hint)
	}
}

// Explain logs why a script failed.
func (l *Log) Explain(reason, hint string) {
	l.line(yellow, "diagnosis: "+reason)
	l.line("", "hint: "+hint)
}

// EndedService logs the end of a service before the end of a failed script. Only the order
// is certain, not the cause. A service with code 0 may have done its work, so its end is no
// warning. shown tells whether the log has the services' output.
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
