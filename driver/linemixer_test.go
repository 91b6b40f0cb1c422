package driver

import (
	"bytes"
	"strings"
	"testing"
)

func TestLinesOfOthersWaitForTheEndOfALine(t *testing.T) {
	for name, c := range map[string]struct {
		// A step that begins with # is a line of somebody else's.
		steps []string
		want  string
	}{
		"at the beginning":              {[]string{"#a", "x\n"}, "a\nx\n"},
		"between lines":                 {[]string{"x\n", "#a", "y\n"}, "x\na\ny\n"},
		"within a line":                 {[]string{"x", "#a", "#b", "y", "z\n", "#c"}, "xyz\na\nb\nc\n"},
		"within a line, more behind it": {[]string{"x", "#a", "y\nz\nhalf", "#b", "\n"}, "xy\nz\na\nhalf\nb\n"},
		"the stream has no last end":    {[]string{"x", "#a"}, "x\na\n"},
		"nothing at all":                {[]string{"", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			m := &lineMixer{out: &out, fresh: true}
			for _, s := range c.steps {
				if line, ok := strings.CutPrefix(s, "#"); ok {
					m.line(line)
				} else if n, err := m.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(s), err)
				}
			}
			m.flush()
			if out.String() != c.want {
				t.Errorf("shown %q, want %q", out.String(), c.want)
			}
		})
	}
}

func TestAStreamWithoutLinesDoesNotHoldUpTheOthersForEver(t *testing.T) {
	var out bytes.Buffer
	m := &lineMixer{out: &out, fresh: true}
	_, _ = m.Write([]byte("progress"))
	for range 300 {
		m.line(strings.Repeat("x", 1<<10))
	}
	if !strings.HasPrefix(out.String(), "progress\nxxx") {
		t.Errorf("shown %.20q", out.String())
	}
}

func TestLogsOfAServiceAreCutAtABound(t *testing.T) {
	var shown []string
	s := &serviceLog{show: func(text string) { shown = append(shown, text) }}
	line := "2026-07-01T12:00:00.000000001Z " + strings.Repeat("x", 1<<10-1) + "\r\n"
	for range 2000 {
		// In pieces of any size.
		for _, piece := range []string{line[:10], line[10:40], line[40:]} {
			if _, err := s.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(shown) != 1<<10 && len(shown) != 1<<10+1 || shown[0] != strings.Repeat("x", 1<<10-1) {
		t.Errorf("%d lines are shown", len(shown))
	}
	if last := shown[len(shown)-1]; last != "(it printed more than 1024 KB in one stage: the rest is left out here)" {
		t.Errorf("the last is %.100q", last)
	}
	if after(s.since) != "2026-07-01T12:00:00.000000002Z" {
		t.Errorf("the next look begins at %s", after(s.since))
	}
}

func TestALineOfAServiceThatHasNoEnd(t *testing.T) {
	var shown []string
	s := &serviceLog{show: func(text string) { shown = append(shown, text) }}
	chunk := strings.Repeat("x", 16<<10)
	_, _ = s.Write([]byte("2026-07-01T12:00:00Z " + chunk))
	_, _ = s.Write([]byte("2026-07-01T12:00:00Z end\n"))
	if len(shown) != 2 || shown[0] != chunk || shown[1] != "end" {
		t.Errorf("%d lines are shown", len(shown))
	}
}
