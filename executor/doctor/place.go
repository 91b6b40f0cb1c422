package doctor

import (
	"strings"

	"gitlab-dind-executor/driver"
)

// Place tells where this program runs: on the engine's host, in a container beside the jobs,
// or elsewhere.
func Place(p driver.Place) Finding {
	const check = "place"
	switch {
	case p.Remote:
		return Fine(check, "on another host than the engine's: daemons are waited for by exec, and free disk is not known")
	case !p.Contained:
		return Fine(check, "on the engine's host")
	case p.Container == "":
		return Fine(check, "in a container that this engine does not have: daemons are waited for by exec")
	}
	var without []string
	for _, of := range []struct {
		has  bool
		what string
	}{
		{p.Network, "the host's network (daemons are waited for by exec)"},
		{p.Processes, "the host's processes (what a Runner that died has left goes at its deadline)"},
		{p.Data, "the engine's data root (free disk is not known)"},
	} {
		if !of.has {
			without = append(without, of.what)
		}
	}
	text := "in container " + p.Container + ", with the engine's socket"
	if len(without) > 0 {
		text += ", without " + strings.Join(without, ", ")
	}
	return Fine(check, "%s", text)
}
