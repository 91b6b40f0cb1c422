package stream

import (
	"bytes"
	"strings"
	"testing"
)

func TestLinesOfOthersWaitForTheEndOfALine(t *testing.T) {
	for name, c := range map[string]struct {
		// A step that begins with # is a line of somebody else.
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
			m := NewMixer(&out)
			for _, s := range c.steps {
				if line, ok := strings.CutPrefix(s, "#"); ok {
					m.Line(line)
				} else if n, err := m.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(s), err)
				}
			}
			m.Flush()
			if out.String() != c.want {
				t.Errorf("shown %q, want %q", out.String(), c.want)
			}
		})
	}
}

func TestAStreamWithoutLinesDoesNotHoldUpTheOthersForEver(t *testing.T) {
	var out bytes.Buffer
	m := NewMixer(&out)
	_, _ = m.Write([]byte("progress"))
	for range 300 {
		m.Line(strings.Repeat("x", 1<<10))
	}
	if !strings.HasPrefix(out.String(), "progress\nxxx") {
		t.Errorf("shown %.20q", out.String())
	}
}
