package stream

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestTheMarkerIsFoundAndNotShown(t *testing.T) {
	const marker = "shell is ready"
	long := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		stream, want string
		found        bool
	}{
		"alone":                        {marker + "\n", "", true},
		"after an ENTRYPOINT's lines":  {"hello\nworld\n" + marker + "\n", "hello\nworld\n", true},
		"after text without an end":    {"prompt> " + marker + "\n", "prompt> ", true},
		"before the script's output":   {marker + "\nout\nmore", "out\nmore", true},
		"with the ends of a terminal":  {"a\r\n" + marker + "\r\nb\r\n", "a\r\nb\r\n", true},
		"twice, the second is output":  {marker + "\n" + marker + "\n", marker + "\n", true},
		"never":                        {"hello\nworld\n", "hello\nworld\n", false},
		"never, nor a last line's end": {"hello\nwor", "hello\nwor", false},
		"only its beginning":           {"shell is rea\nshell is", "shell is rea\nshell is", false},
		"as a part of a line":          {marker + " or not\n", marker + " or not\n", false},
		"without its line's end":       {"a\n" + marker, "a\n" + marker, false},
		"after a very long line":       {long + marker + "\nb", long + "b", true},
		"nothing":                      {"", "", false},
		"empty lines":                  {"\n\n" + marker + "\n\n", "\n\n\n", true},
		"any bytes":                    {"\x00\xff\n" + marker + "\n\xfe", "\x00\xff\n\xfe", true},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(pieces ...string) {
				t.Helper()
				var out bytes.Buffer
				m := NewMarker(&out, marker)
				for _, p := range pieces {
					if n, err := m.Write([]byte(p)); n != len(p) || err != nil {
						t.Fatalf("wrote %d of %d: %v", n, len(p), err)
					}
				}
				found := false
				select {
				case <-m.Found:
					found = true
				default:
				}
				if err := m.Flush(); err != nil {
					t.Fatal(err)
				}
				if out.String() != c.want || found != c.found {
					t.Fatalf("in %d pieces: found %t, shown %q, want %t, %q", len(pieces), found, tail(out.String()), c.found, tail(c.want))
				}
			}
			check(c.stream)
			for i := range c.stream { // in two pieces, cut at every byte
				check(c.stream[:i], c.stream[i:])
			}
			check(strings.Split(c.stream, "")...)
		})
	}
}

func tail(s string) string { return s[max(0, len(s)-60):] }

func TestOutputIsNotHeldBackForLong(t *testing.T) {
	var out bytes.Buffer
	m := NewMarker(&out, "shell is ready")
	if _, err := m.Write([]byte("a line\n" + strings.Repeat("progress ", 1000))); err != nil {
		t.Fatal(err)
	}
	if out.Len() < 8000 {
		t.Errorf("only %d bytes are shown before the line ends", out.Len())
	}
}

func TestAJobLogThatCannotBeWrittenIsTold(t *testing.T) {
	for _, stream := range []string{"a line\n", "text shell is ready\n", strings.Repeat("x", 5000)} {
		m := NewMarker(broken{}, "shell is ready")
		if _, err := m.Write([]byte(stream)); !errors.Is(err, errBroken) {
			t.Errorf("%q: %v", tail(stream), err)
		}
	}
	m := NewMarker(broken{}, "shell is ready")
	if _, err := m.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if err := m.Flush(); !errors.Is(err, errBroken) {
		t.Errorf("flush: %v", err)
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
