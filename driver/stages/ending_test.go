package stages

import (
	"strings"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
)

// happened are events of a container with a role, as the engine sends them.
func happened(role string, what ...string) []engine.Event {
	var got []engine.Event
	for _, w := range what {
		action, signal, _ := strings.Cut(w, " ")
		got = append(got, engine.Event{
			Action: engine.Action(action), Container: role, Attributes: map[string]string{label.Role: role, "signal": signal},
		})
	}
	return got
}

func TestWhoHasEndedASidecar(t *testing.T) {
	for name, c := range map[string]struct {
		got  []engine.Event
		want Ending
	}{
		"nothing is known":                         {nil, EndingUnknown},
		"docker stop":                              {happened("sidecar", "kill 15", "die", "stop"), EndedFromOutside},
		"docker stop of one that takes its time":   {happened("sidecar", "kill 15", "kill 9", "die", "stop"), EndedFromOutside},
		"docker kill":                              {happened("sidecar", "kill 9", "die"), EndedFromOutside},
		"an engine that goes before it tells more": {happened("sidecar", "kill 15"), EndedFromOutside},
		"a kill in it":                             {happened("sidecar", "die"), EndedFromInside},
		"a kill in it, seen by an admin":           {happened("sidecar", "kill 1", "kill 10", "die"), EndedFromInside},
		"a kill in it, then docker kill":           {happened("sidecar", "die", "kill 9"), EndedFromInside},
		"our own second boot, then a kill in it":   {happened("sidecar", "kill 9", "die", "start", "die"), EndedFromInside},
		"our own second boot":                      {happened("sidecar", "kill 9", "die", "start"), EndingUnknown},
		"the end of another container":             {happened("service", "kill 15", "die", "stop"), EndingUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			if got := endingOf(c.got); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
