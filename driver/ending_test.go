package driver

import (
	"encoding/json"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/test/fakeengine"
)

func TestTheWatchOfAStageTellsHowTheSidecarEnded(t *testing.T) {
	t.Parallel()
	for want, what := range map[stages.Ending][]string{stages.EndedFromInside: {"die"}, stages.EndedFromOutside: {"kill 15", "die", "stop"}} {
		p, e, d := preparedOn(t)
		var stream strings.Builder
		for _, w := range what {
			action, signal, _ := strings.Cut(w, " ")
			if err := json.NewEncoder(&stream).Encode(map[string]any{
				"Type": "container", "Action": action, "Actor": map[string]any{"ID": "sidecar", "Attributes": map[string]string{label.Role: "sidecar", "signal": signal}},
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
