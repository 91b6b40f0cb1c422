package stream

import (
	"strings"
	"testing"
)

func TestATurnIsWhatTheHelperSaysOfOneScript(t *testing.T) {
	for name, c := range map[string]struct {
		before, said, code string
		want               int
		fails              bool
	}{
		"lines":               {"", "one\ntwo\n", "0", 0, false},
		"a line without end":  {"", "one\ntwo", "3", 3, false},
		"nothing":             {"", "", "0", 0, false},
		"behind another's":    {"what another said\nff00 12\n", "mine\n", "1", 1, false},
		"half a token in it":  {"", "TOKE one TOKE\n", "0", 0, false},
		"it cannot be taken":  {"", "no space\n", "-", 0, true},
		"a code that is none": {"", "", "what", 0, true},
	} {
		for _, piece := range []int{1, 7, 4096} {
			var out strings.Builder
			turn := NewTurn(&out)
			said := strings.ReplaceAll(c.said, "TOKE", turn.Token[:9])
			stream := c.before + turn.Token + "\n" + said + turn.Token + " " + c.code + "\nand later\n"
			for len(stream) > 0 {
				n := min(piece, len(stream))
				if _, err := turn.Write([]byte(stream[:n])); err != nil {
					t.Fatal(err)
				}
				stream = stream[n:]
			}
			select {
			case <-turn.Over:
			default:
				t.Fatalf("%s: it is not over", name)
			}
			if out.String() != said || turn.Code != c.want || (turn.Err != nil) != c.fails {
				t.Errorf("%s in pieces of %d: %q, code %d, error %v", name, piece, out.String(), turn.Code, turn.Err)
			}
		}
	}
}

func TestWhatMayBecomeATokenIsHeldAndNothingElse(t *testing.T) {
	var out strings.Builder
	turn := NewTurn(&out)
	_, _ = turn.Write([]byte(turn.Token + "\nCloning" + turn.Token[:5]))
	if out.String() != "Cloning" {
		t.Errorf("passed on: %q", out.String())
	}
}
