package joblog

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"

	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/fault"
)

func TestLinesOfTheJobLog(t *testing.T) {
	err := fault.Job(errors.New("image x is not there "), "check the name")
	for name, c := range map[string]struct {
		colour bool
		write  func(*Log)
		want   string
	}{
		"a line":               {false, func(l *Log) { l.Say("pulling redis:7") }, "pulling redis:7\n"},
		"a line has no colour": {true, func(l *Log) { l.Say("pulling redis:7") }, "pulling redis:7\n"},
		"a warning":            {false, func(l *Log) { l.Warn("no TLS") }, "warning: no TLS\n"},
		"a warning in colour":  {true, func(l *Log) { l.Warn("no TLS") }, "\x1b[0;33mwarning: no TLS\x1b[0;m\n"},
		"an error":             {false, func(l *Log) { l.Fail(err) }, "error: image x is not there\nhint: check the name\n"},
		"an error in colour":   {true, func(l *Log) { l.Fail(err) }, "\x1b[31;1merror: image x is not there\x1b[0;m\nhint: check the name\n"},
		"an error alone":       {false, func(l *Log) { l.Fail(errors.New("x")) }, "error: x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c.write(&Log{Out: &out, Colour: c.colour})
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}

// GitLab takes the markers out, shows the first line and unfolds the others.
func TestWhatFewWantToReadIsInASectionThatBeginsCollapsed(t *testing.T) {
	images := []images.UsedImage{{Name: "docker:cli", Digest: "sha256:1", Fetched: true}, {Name: "redis:7", Digest: "sha256:2"}}
	for name, c := range map[string]struct {
		write func(*Log)
		plain string
		want  string
	}{
		"digests of images": {
			func(l *Log) { l.Images(images) },
			"using docker:cli, redis:7\n  docker:cli is sha256:1\n",
			"^\x1b\\[0Ksection_start:[0-9]{10}:dind_[0-9]+_1\\[hide_duration=true,collapsed=true\\]\r\x1b\\[0Kusing docker:cli, redis:7\n" +
				"  docker:cli is sha256:1\n\x1b\\[0Ksection_end:[0-9]{10}:dind_[0-9]+_1\r\x1b\\[0K$",
		},
		"what a service printed": {
			func(l *Log) { l.Warn("redis is not ready:\n  one\n  two\n") },
			"warning: redis is not ready:\n  one\n  two\n",
			"\r\x1b\\[0K\x1b\\[0;33mwarning: redis is not ready:\x1b\\[0;m\n  one\n  two\n\x1b\\[0Ksection_end:",
		},
		"no image was fetched": {func(l *Log) { l.Images(images[1:]) }, "using redis:7\n", "^using redis:7\n$"},
		"no image":             {func(l *Log) { l.Images(nil) }, "", "^$"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c.write(&Log{Out: &out, Folds: true})
			if out.String() != c.plain {
				t.Errorf("without colours it is %q, want %q", out.String(), c.plain)
			}
			out.Reset()
			c.write(&Log{Out: &out, Colour: true, Folds: true})
			if !regexp.MustCompile(c.want).MatchString(out.String()) {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
	// Two sections of a log need different names, or GitLab would merge them.
	var out bytes.Buffer
	l := &Log{Out: &out, Colour: true, Folds: true}
	l.Images(images)
	l.Images(images)
	if names := regexp.MustCompile("section_start:[0-9]+:([a-z0-9_]+)").FindAllStringSubmatch(out.String(), -1); len(names) != 2 || names[0][1] == names[1][1] {
		t.Errorf("sections %q", names)
	}
}

func TestLinesOfSeveralWritersStayWhole(t *testing.T) {
	var out bytes.Buffer
	l := &Log{Out: &out, Colour: true}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 50 {
				l.Say(strings.Repeat("x", 100))
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

func TestAServiceThatHasEnded(t *testing.T) {
	lost := stages.EndedService{Name: "redis:7 (kv)", Code: 3, Log: ":\n  out of files"}
	for name, c := range map[string]struct {
		ended stages.EndedService
		shown bool
		want  string
	}{
		"one that failed":      {lost, false, "warning: service redis:7 (kv) ended with exit code 3 before the script ended:\n  out of files\n"},
		"whose lines are seen": {lost, true, "warning: service redis:7 (kv) ended with exit code 3 before the script ended\n"},
		"one that may be done": {stages.EndedService{Name: "migrate:1"}, false, "service migrate:1 ended with exit code 0 before the script ended\n"},
		"out of memory":        {stages.EndedService{Name: "db", Code: 137, OutOfMemory: true}, false, "warning: service db ended with exit code 137 before the script ended, out of memory\n"},
	} {
		var out strings.Builder
		l := &Log{Out: &out}
		l.EndedService(c.ended, c.shown)
		if out.String() != c.want {
			t.Errorf("%s: %q, want %q", name, out.String(), c.want)
		}
	}
}
