package executor

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"gitlab-dind-executor/fault"
)

func TestLinesOfTheJobLog(t *testing.T) {
	err := fault.Job(errors.New("image x is not there "), "check the name")
	for name, c := range map[string]struct {
		colour bool
		write  func(*jobLog)
		want   string
	}{
		"a line":               {false, func(l *jobLog) { l.say("pulling redis:7") }, "pulling redis:7\n"},
		"a line has no colour": {true, func(l *jobLog) { l.say("pulling redis:7") }, "pulling redis:7\n"},
		"a warning":            {false, func(l *jobLog) { l.warn("no TLS") }, "warning: no TLS\n"},
		"a warning in colour":  {true, func(l *jobLog) { l.warn("no TLS") }, "\x1b[0;33mwarning: no TLS\x1b[0;m\n"},
		"an error":             {false, func(l *jobLog) { l.fail(err) }, "error: image x is not there\nhint: check the name\n"},
		"an error in colour":   {true, func(l *jobLog) { l.fail(err) }, "\x1b[31;1merror: image x is not there\x1b[0;m\nhint: check the name\n"},
		"an error alone":       {false, func(l *jobLog) { l.fail(errors.New("x")) }, "error: x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c.write(&jobLog{out: &out, colour: c.colour})
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}

func TestLinesOfSeveralWritersStayWhole(t *testing.T) {
	var out bytes.Buffer
	l := &jobLog{out: &out, colour: true}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				l.say(strings.Repeat("x", 100))
			}
		})
	}
	writers.Wait()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 400 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if len(line) != 100 {
			t.Fatalf("a line of %d characters", len(line))
		}
	}
}
