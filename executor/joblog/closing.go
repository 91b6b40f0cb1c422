package joblog

import (
	"fmt"

	"github.com/docker/go-units"

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

// ClosingLine returns the last line of a job, about the work of its docker daemon.
func ClosingLine(u looking.Usage) string {
	size := func(n uint64) string { return units.HumanSizeWithPrecision(float64(n), 3) }
	line := "docker daemon:"
	switch {
	case u.Warm:
		line += " was up already (warm),"
	case u.Boot > 0:
		line += fmt.Sprintf(" up in %.1f s (cold),", u.Boot.Seconds())
	}
	if text := layersText[u.Layers]; text != "" {
		line += " " + text + ","
	}
	line += " received " + size(u.Received)
	if u.Written > 0 { // some kernels do not tell
		line += ", wrote " + size(u.Written)
	}
	if u.Disk > 0 {
		line += ", holds " + size(u.Disk) + " on disk"
	}
	if u.PeakMemory > 0 {
		// The unit is the same as in status and in the settings' limits.
		line += ", peak memory " + units.BytesSize(float64(u.PeakMemory))
	}
	return line
}
