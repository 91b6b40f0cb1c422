package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAScriptIsShownAsItIsWithoutATerminal(t *testing.T) {
	var shown bytes.Buffer
	code, err := run([]string{"sh", "-c", "echo 'a: 1 of 2: b'; echo c >&2; exit 7"}, &board{to: &shown, ends: regexp.MustCompile("")})
	if code != 7 || err != nil || shown.String() != "a: 1 of 2: b\nc\n" {
		t.Errorf("exit code %d, %v, shown %q", code, err, shown.String())
	}
}

// A person at a terminal may want the output in a file.
func TestOutputOfAScriptGoesToItsFile(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetPointerInt(int(terminal.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	cmd := exec.CommandContext(t.Context(), "../shown", "--", "sh", "-c", "echo a sum")
	cmd.Env = append(os.Environ(), "TERM=xterm")
	cmd.Stderr = end
	if out, err := cmd.Output(); err != nil || string(out) != "a sum\n" {
		t.Errorf("the file has %q (%v)", out, err)
	}
}

// screen has all that is shown.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *screen) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.all.String(), text)
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
		"one with a long line":  {board{}, "release: 1 of 1: a\n" + strings.Repeat("x", 70000) + "\nlast\n", "1 of 1: a"},
	} {
		t.Run(name, func(t *testing.T) {
			shown := &screen{}
			b := c.board
			b.to, b.drawn, b.ends = shown, true, regexp.MustCompile(`\(built\)$`)
			read, write := io.Pipe()
			go func() {
				_, _ = io.WriteString(write, c.script)
				defer write.Close()
				// The script goes on until the bar is drawn.
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for late := time.After(30 * time.Second); !shown.has(c.want); {
					select {
					case <-tick.C:
					case <-late:
						return
					}
				}
			}()
			b.show(read)
			if !shown.has(c.want) {
				t.Errorf("%q is missing: %.1000q", c.want, shown.all.String())
			}
			for line := range strings.Lines(c.script) {
				if !begins.MatchString(strings.TrimSuffix(line, "\n")) && !shown.has(line) {
					t.Errorf("%.100q is missing: %.1000q", line, shown.all.String())
				}
			}
			if (b.bar == nil) != (c.want == "") {
				t.Errorf("whether there was a bar: %v", b.bar)
			}
		})
	}
}
