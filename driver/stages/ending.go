package stages

import (
	"slices"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// Ending is how a sidecar has ended.
type Ending int

// The endings.
const (
	// EndingUnknown is that of one whose end nobody has seen, or that runs.
	EndingUnknown Ending = iota
	// EndedFromOutside was asked for at the engine: by docker stop, kill or rm, or
	// by an engine that stops. A job has no way to the engine.
	EndedFromOutside
	// EndedFromInside was not: its first process ended by itself or was killed by
	// another in it, which are the job's.
	EndedFromInside
)

// harmlessSignals end no daemon: they are for its log and its configuration.
var harmlessSignals = []string{"1", "10", "12", "28"}

// endingOf tells from the engine's events, in their order, how the sidecar has
// ended. The engine notes a kill before it sends the signal, and only if somebody
// asked it for one.
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
