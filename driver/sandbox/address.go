package sandbox

import (
	"slices"
	"strings"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
)

// ServiceNames are a container's names in its sandbox, without the short id and the hostname that
// the engine adds.
func ServiceNames(c engine.Details, sandbox string) []string {
	return slices.DeleteFunc(slices.Clone(c.Endpoints[label.NetworkName(sandbox)].Aliases), func(name string) bool {
		return len(name) >= 12 && strings.HasPrefix(c.ID, name) || name == c.Hostname
	})
}

// IP is the address of a container in its sandbox.
func IP(c engine.Details, sandbox string) string {
	return c.Endpoints[label.NetworkName(sandbox)].IP
}
