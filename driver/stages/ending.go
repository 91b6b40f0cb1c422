package stages

import (
	"slices"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// Ending is the way in which a sidecar ended.
type Ending int

// Ways in which a sidecar ends.
const (
	// EndingUnknown: nobody has seen the end, or the sidecar runs.
	EndingUnknown Ending = iota
	// EndedFromOutside: somebody asked the engine for the end, by docker stop, kill or rm, or the
	// engine itself stops. A job has no way to the engine.
	EndedFromOutside
	// EndedFromInside: the first process ended by itself, or another process in the sidecar
	// killed it. Both are the job's.
	EndedFromInside
)

// harmlessSignals end no daemon: they are for its log and its configuration.
var harmlessSignals = []string{"1", "10", "12", "28"}

// endingOf reads from the engine's events, in their order, how the sidecar ended. The engine
// notes a kill before the signal, and only for signals that somebody asked for.
func endingOf(got []engine.Event) Ending {
	asked, died := false, false
	for _, m := range got {
		if m.Attributes[label.Role] != string(plan.RoleSidecar) {
			continue
		}
		switch m.Action {
		case engine.WasStarted:
			asked, died = false, false
		case engine.WasSignalled:
			asked = asked || !died && !slices.Contains(harmlessSignals, m.Attributes["signal"])
		case engine.WasStopped:
			asked = true
		case engine.HasDied:
			died = true
		}
	}
	switch {
	case asked:
		return EndedFromOutside
	case died:
		return EndedFromInside
	}
	return EndingUnknown
}
