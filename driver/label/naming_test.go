package label

import (
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
)

// The engine bounds names of objects at 255 characters. The DNS bounds host names, and so names
// of containers, at 63.
func TestNamesAreNotTooLong(t *testing.T) {
	const sandbox = "0123456789ab"
	data := DataName("scope", strings.Repeat("f", 64), 7)
	seed := SeedName(strings.Repeat("f", 64), sandbox)
	for _, name := range []string{
		data, UsedName(data, sandbox), CacheName("scope"), UsedName(CacheName("scope"), sandbox), seed, ReadyName(seed),
	} {
		if len(name) > 255 {
			t.Errorf("a volume is called %s", name)
		}
	}
	for _, name := range []string{
		LeaseName(data), NetworkName(sandbox), ObjectName(sandbox, plan.RoleSidecar), ObjectName(sandbox, plan.RoleScratch),
		ServiceName(sandbox, 999), CacheHelperName(sandbox),
	} {
		if len(name) > 63 || name == "" {
			t.Errorf("a container is called %q", name)
		}
	}
}

func TestEveryDataRootHasALeaseOfItsOwn(t *testing.T) {
	leases := map[string]string{}
	for _, scope := range []string{"a", "b"} {
		for _, kind := range []string{"k", "l"} {
			for slot := range 12 {
				volume := DataName(scope, kind, slot)
				lease := LeaseName(volume)
				if other, taken := leases[lease]; taken || lease != LeaseName(volume) {
					t.Errorf("%s has the lease %s of %s", volume, lease, other)
				}
				leases[lease] = volume
			}
		}
	}
}
