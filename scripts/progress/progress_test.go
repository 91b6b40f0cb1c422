package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestAScriptIsShownAsItIsWithoutATerminal(t *testing.T) {
	var shown bytes.Buffer
	code, err := run([]string{"sh", "-c", "echo 'a: 1 of 2: b'; echo c >&2; exit 7"}, &board{to: &shown, ends: regexp.MustCompile("")})
	if code != 7 || err != nil || shown.String() != "a: 1 of 2: b\nc\n" {
		t.Errorf("exit code %d, %v, shown %q", code, err, shown.String())
	}
}

func TestLinesOfAScriptMoveABar(t *testing.T) {
	for name, c := range map[string]struct {
		board  board
		script string
		want   string
	}{
		"one that counts":       {board{}, "before\nrelease: 1 of 2: a\nbetween\nrelease: 2 of 2: b\nlast\n", "2 of 2: b"},
		"one that does not":     {board{steps: 2}, "begins\na (built)\nb (built)\n", "2 of 2: "},
		"one that ends at once": {board{}, "nothing to do\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var shown bytes.Buffer
			b := c.board
			b.to, b.drawn, b.ends = &shown, true, regexp.MustCompile(`\(built\)$`)
			b.show(strings.NewReader(c.script))
			for line := range strings.Lines(c.script) {
				if !begins.MatchString(strings.TrimSuffix(line, "\n")) && !strings.Contains(shown.String(), line) {
					t.Errorf("%q is missing: %q", line, shown.String())
				}
			}
			if (b.bar == nil) != (c.want == "") {
				t.Errorf("whether there was a bar: %v", b.bar)
			}
		})
	}
}
