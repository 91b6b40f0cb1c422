package driver

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"regexp"

	"gitlab-dind-executor/driver/plan"
)

// Names of what outlives a job carry a whole hash. A pipeline has a hand in what
// is hashed, and a part of a hash can be met by trying.

// networkName is the anchor's.
func networkName(sandbox string) string { return "dind-" + sandbox }

// objectName names a sandbox's container or volume. The job container's name
// is what a claim creates.
func objectName(sandbox string, role plan.Role) string {
	return "dind-" + sandbox + "-" + string(role)
}

// serviceName names service number i.
func serviceName(sandbox string, i int) string {
	return fmt.Sprintf("%s-%d", objectName(sandbox, plan.RoleService), i)
}

// cacheHelperName names the helper that a claim adds for the job's cache.
func cacheHelperName(sandbox string) string {
	return objectName(sandbox, plan.RoleHelper) + "-cache"
}

// cacheName names the cache of a scope.
func cacheName(scope string) string { return "dind-cache-" + hashed(scope) }

// dataName names a cached data root: number slot of those of a scope that fit a
// kind of sidecar.
func dataName(scope, kind string, slot int) string {
	return fmt.Sprintf("dind-data-%s-%d", hashed(scope+"\x00"+kind), slot)
}

// oldForm are names of what is cached that earlier versions gave. No job gets these
// any more, but they are found and removed.
var oldForm = regexp.MustCompile(`^dind-(data-[0-9a-f]{12}-[0-9]+|cache-[0-9a-f]{12})$`)

// stateName names the mark that says the state of a cached data root.
func stateName(volume string, state dataState) string { return volume + "-" + string(state) }

// clearingName names the container that clears a cached data root for the job that
// has its lease. Behind a job it has the name of the lease itself.
func clearingName(volume string) string { return volume + "-" + string(plan.RoleProgram) }

// seedName names a seed that was made in a sandbox.
func seedName(kind, sandbox string) string { return "dind-seed-" + kind + "-" + sandbox }

// readyName names the mark of a seed that is ready.
func readyName(seed string) string { return seed + "-ready" }

// usedName names the mark that a sandbox's job leaves at a cached volume.
func usedName(volume, sandbox string) string { return volume + "-used-" + sandbox }

// stuckName names the mark of a volume that resists its removal.
func stuckName(volume string) string { return volume + stuckSuffix }

// namesOf is a filter for the names that volumes of a sandbox have, or with ""
// for those of all volumes of ours. It lets more through than ours.
func namesOf(sandbox string) string {
	if sandbox == "" {
		return "^dind-"
	}
	return "^dind-" + regexp.QuoteMeta(sandbox) + "-"
}

// hashed is a whole SHA-256 in hex.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// short writes a hash in the fewest characters that a host name may have.
var short = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// leaseName names the sidecar that has a cached data root, of 200 bits of a hash:
// two data roots of one name could do no worse than wait for each other. A
// container's name is in the DNS of its network. With more than 63 characters, a
// look for the name of its address takes 10 s and finds none.
func leaseName(volume string) string {
	sum := sha256.Sum256([]byte(volume))
	return "dind-" + short.EncodeToString(sum[:25]) + "-" + string(plan.RoleSidecar)
}
