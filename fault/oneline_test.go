package fault

import (
	"errors"
	"testing"
)

func TestATextOfSeveralLinesOnOne(t *testing.T) {
	for text, want := range map[string]string{
		"":          "",
		"one":       "one",
		" one \n\n": "one",
		"it did not answer (awaiting headers):\n  /certs/server/cert.pem: OK\n  listening\n": "it did not answer (awaiting headers): /certs/server/cert.pem: OK; listening",
		"first\nsecond":             "first; second",
		"first;\nsecond,\n\n third": "first; second, third",
		"first:\r\n\r\n\tsecond":    "first: second",
		"a bar: ten\rtwenty\r\nend": "a bar: ten; twenty; end",
		"ein Größer\nß":             "ein Größer; ß",
		"\n:\n:\n":                  ": :",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("%q: got %q, not %q", text, got, want)
		}
	}
	if got := Line(errors.Join(errors.New("a"), System(errors.New("b"), "hint"))); got != "a; b" {
		t.Errorf("joined errors: %q", got)
	}
}
