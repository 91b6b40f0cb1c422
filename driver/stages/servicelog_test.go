package stages

import (
	"strings"
	"testing"
)

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
