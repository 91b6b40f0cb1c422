package progress

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"
)

// screen has all bytes for a terminal.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func (s *screen) await(t *testing.T, part string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !strings.Contains(s.String(), part) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the screen never shows %q: %q", part, s.String())
		}
	}
}

func TestLinesAreAllWhereNobodyLooksOn(t *testing.T) {
	var out, err bytes.Buffer
	s := New(&out, &err, 2, Terminal(&err, "xterm"))
	s.Begin("docker:dind")
	s.Bytes("docker:dind", 1, 2)
	_, _ = s.Err().Write([]byte("pulling docker:dind\n"))
	_, _ = s.Out().Write([]byte("fetched docker:dind\n"))
	s.End()
	if out.String() != "fetched docker:dind\n" || err.String() != "pulling docker:dind\n" {
		t.Errorf("out has %q, and err %q", out.String(), err.String())
	}
}

func TestABarStandsBelowTheLines(t *testing.T) {
	var out bytes.Buffer
	err := &screen{}
	s := New(&out, err, 2, false)
	s.draw(mpb.WithRefreshRate(time.Millisecond))
	s.Begin("first")
	err.await(t, "1 of 2: first")
	s.Bytes("second\x1b[2J", 3<<20, 6<<20)
	err.await(t, "2 of 2: second")
	err.await(t, "3 MB of 6 MB")
	_, _ = s.Err().Write([]byte("a line of the log\n"))
	_, _ = s.Out().Write([]byte("a result\n"))
	s.Bytes("third", 9, 3) // more steps than announced, and more bytes than the total
	s.End()
	s.End()
	_, _ = s.Err().Write([]byte("behind it\n"))
	shown := err.String()
	if !strings.HasSuffix(shown, "behind it\n") || !strings.Contains(shown, "a line of the log\n") || out.String() != "a result\n" {
		t.Errorf("the screen shows %q, and out has %q", shown, out.String())
	}
	if strings.Contains(shown, "\x1b[2J") {
		t.Error("a name has commanded the terminal")
	}
}
