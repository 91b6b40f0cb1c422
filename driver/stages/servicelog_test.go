package stages

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestLogsOfAServiceAreCutAtABound(t *testing.T) {
	var shown []string
	s := &serviceLog{show: func(text string) { shown = append(shown, text) }}
	s.turn()
	line := "2026-07-01T12:00:00.000000001Z " + strings.Repeat("x", 1<<10-1) + "\r\n"
	for range 2000 {
		// Lines come in pieces of any size.
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
	if s.from() != "2026-07-01T11:59:59.000000001Z" {
		t.Errorf("the next look begins at %s", s.from())
	}
}

func TestALineOfAServiceThatHasNoEnd(t *testing.T) {
	var shown []string
	s := &serviceLog{show: func(text string) { shown = append(shown, text) }}
	s.turn()
	chunk := strings.Repeat("x", 16<<10)
	_, _ = s.Write([]byte("2026-07-01T12:00:00Z " + chunk))
	_, _ = s.Write([]byte("2026-07-01T12:00:00Z end\n"))
	if len(shown) != 2 || shown[0] != chunk || shown[1] != "end" {
		t.Errorf("%d lines are shown", len(shown))
	}
}

// A container's two outputs reach its log by two ways, so a later line may have an earlier time.
// Each line is shown once, however often the log is read.
func TestALineOfAServiceIsShownOnceWhateverItsTime(t *testing.T) {
	var shown []string
	s := &serviceLog{since: "2026-07-01T12:00:00Z", show: func(text string) { shown = append(shown, text) }}
	if s.from() != "2026-07-01T12:00:00.000000001Z" {
		t.Errorf("the first look begins at %s", s.from())
	}
	read := func(lines ...string) {
		s.turn()
		for _, line := range lines {
			_, _ = s.Write([]byte(line + "\n"))
		}
	}
	const late, early, after = "2026-07-01T12:00:09.2Z error 3", "2026-07-01T12:00:09.1Z line 3", "2026-07-01T12:00:09.3Z bye"
	read(late, early, early)
	if s.from() != "2026-07-01T12:00:08.2Z" {
		t.Errorf("the next look begins at %s", s.from())
	}
	read(late, early, early, early, after)
	read(late, early, early, early, after)
	if got := strings.Join(shown, ", "); got != "error 3, line 3, line 3, line 3, bye" {
		t.Errorf("shown are %s", got)
	}
}

// A service that prints without end makes the hook remember a bounded number of lines.
func TestAFloodOfAServiceIsNotRemembered(t *testing.T) {
	shown := 0
	s := &serviceLog{show: func(string) { shown++ }}
	s.turn()
	last := ""
	for i := range 3 * maxRecent {
		last = time.Date(2026, 7, 1, 12, 0, 0, i*1000+1, time.UTC).Format(time.RFC3339Nano)
		_, _ = s.Write([]byte(last + " \n"))
	}
	if len(s.recent) > maxRecent || !s.flooded || shown != 3*maxRecent {
		t.Errorf("%d lines are remembered, %d shown, flooded %t", len(s.recent), shown, s.flooded)
	}
	if s.from() != after(last) {
		t.Errorf("the next look begins at %s, behind %s", s.from(), last)
	}
	slow := &serviceLog{show: func(string) {}}
	slow.turn()
	for i := range 3 * maxRecent {
		_, _ = slow.Write([]byte(time.Date(2026, 7, 1, 12, 0, i, 0, time.UTC).Format(time.RFC3339Nano) + " \n"))
	}
	if slow.flooded || len(slow.recent) > maxRecent {
		t.Errorf("of lines that come slowly %d are remembered, flooded %t", len(slow.recent), slow.flooded)
	}
}

// Long lines take no more memory than short ones: a job has up to 33 services and daemons, and
// each may print anything.
func TestLongLinesOfAServiceTakeNoMemory(t *testing.T) {
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s := &serviceLog{show: func(string) {}}
	s.turn()
	long := strings.Repeat("x", maxServiceLine-100)
	before := held()
	for i := range maxRecent {
		_, _ = fmt.Fprintf(s, "2026-07-01T12:00:00.%09dZ %s\n", i+1, long)
	}
	if after := held(); after > before+4<<20 {
		t.Errorf("%d lines take %d MB", len(s.recent), (after-before)>>20)
	}
	runtime.KeepAlive(s)
}
