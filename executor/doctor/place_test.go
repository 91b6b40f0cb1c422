package doctor

import (
	"strings"
	"testing"

	"gitlab-dind-executor/driver"
)

func TestDoctorTellsWhereItRuns(t *testing.T) {
	for want, p := range map[string]driver.Place{
		"on the engine's host":                               {Network: true, Processes: true, Data: true},
		"on another host than the engine's: ":                {Remote: true},
		"in a container that this engine does not have: ":    {Contained: true},
		"in container runner, with the engine's socket":      {Contained: true, Container: "runner", Network: true, Processes: true, Data: true},
		"in container r, with the engine's socket, without ": {Contained: true, Container: "r"},
	} {
		f := Place(p)
		if f.Level != OK || !strings.HasPrefix(f.Text, want) {
			t.Errorf("%+v: %s %q, not %q", p, f.Level, f.Text, want)
		}
		if whole := !strings.Contains(f.Text, "without"); p.Container != "" && whole != p.Network {
			t.Errorf("%+v: %q", p, f.Text)
		}
	}
}
