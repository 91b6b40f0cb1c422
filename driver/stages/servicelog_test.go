package stages

import (
	"strings"
	"testing"
)

func TestLogsOfAServiceAreCutAtABound(t *testing.T) {
	var shown []string
	s := &serviceLog{show: func(text string) { shown = append(shown, text) }, recent: map[string]int{}}
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
	if s.from() != "2026-07-01T11:59:59.000000001Z" {
		t.Errorf("the next look begins at %s", s.from())
	}
}

func TestALineOfAServiceThatHasNoEnd(t *testing.T) {
	var shown []string
	s := &serviceLog{show: func(text string) { shown = append(shown, text) }, recent: map[string]int{}}
	chunk := strings.Repeat("x", 16<<10)
	_, _ = s.Write([]byte("2026-07-01T12:00:00Z " + chunk))
	_, _ = s.Write([]byte("2026-07-01T12:00:00Z end\n"))
	if len(shown) != 2 || shown[0] != chunk || shown[1] != "end" {
		t.Errorf("%d lines are shown", len(shown))
	}
}

// A container's two outputs reach its log by two ways, so a later line may have an
// earlier time. Each is shown once, however often it is read.
func TestALineOfAServiceIsShownOnceWhateverItsTime(t *testing.T) {
	var shown []string
	s := &serviceLog{since: "2026-07-01T12:00:00Z", show: func(text string) { shown = append(shown, text) }}
	if s.from() != "2026-07-01T12:00:00.000000001Z" {
		t.Errorf("the first look begins at %s", s.from())
	}
	read := func(lines ...string) {
		s.earlier, s.recent = s.recent, map[string]int{}
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
