package driver

import (
	"encoding/json"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/test/fakeengine"
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

func TestTheWatchOfAStageTellsHowTheSidecarEnded(t *testing.T) {
	t.Parallel()
	for want, what := range map[Ending][]string{EndedFromInside: {"die"}, EndedFromOutside: {"kill 15", "die", "stop"}} {
		p, e, d := preparedOn(t)
		var stream strings.Builder
		for _, m := range happened("sidecar", what...) {
			if err := json.NewEncoder(&stream).Encode(map[string]any{
				"Type": "container", "Action": m.Action, "Actor": map[string]any{"ID": m.Container, "Attributes": m.Attributes},
			}); err != nil {
				t.Fatal(err)
			}
		}
		e.Always("GET /events", fakeengine.Saying(stream.String()))
		w := d.WatchStage(t.Context(), p.Claim.Job)
		if got := w.SidecarEnding(t.Context()); got != want {
			t.Errorf("%q is %d, want %d", what, got, want)
		}
		w.Close()
	}
}
