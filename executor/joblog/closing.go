package joblog

import (
	"fmt"
	"math"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
)

// layersText says whether a job had the layers of earlier jobs, and why not.
var layersText = map[plan.LayersState]string{
	plan.LayersReused:  "layers reused",
	plan.LayersCopied:  "layers copied",
	plan.LayersFirst:   "no layers yet (cached from now on)",
	plan.LayersOther:   "no layers yet of such a docker daemon (cached from now on)",
	plan.LayersMore:    "no layers free (other jobs use them; these are cached as well)",
	plan.LayersBusy:    "no layers free (other jobs use them)",
	plan.LayersDamaged: "no layers (they were damaged; cached anew)",
}

// Layers says in words what became of the layers of earlier jobs; "" where none are cached.
func Layers(state plan.LayersState) string { return layersText[state] }

// ClosingLine returns the last line of a job, about the work of its docker daemon. It is
// "" where nothing is known.
func ClosingLine(u looking.Usage) string {
	var parts []string
	switch {
	case u.Warm:
		parts = append(parts, fromThePool)
	case u.Boot > 0:
		parts = append(parts, fmt.Sprintf("new, up in %.1f s", u.Boot.Seconds()))
	}
	if text := layersText[u.Layers]; text != "" {
		parts = append(parts, text)
	}
	for _, c := range []struct {
		text string
		size uint64
	}{
		{"received %s", u.Received},
		{"wrote %s", u.Written}, // 0 where the kernel does not count it
		{"holds %s on disk", u.Disk},
		{"peak memory %s", u.PeakMemory},
	} {
		if c.size > 0 {
			parts = append(parts, fmt.Sprintf(c.text, config.Size(min(c.size, math.MaxInt64))))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "Docker daemon: " + strings.Join(parts, ", ")
}
