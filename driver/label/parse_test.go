package label

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
)

const long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestNamesOfVolumes(t *testing.T) {
	const s = "0123456789ab"
	for name, want := range map[string]Name{
		ObjectName(s, plan.RoleBuilds):                                    {Sandbox: s, Role: plan.RoleBuilds},
		ObjectName(s, plan.RoleData):                                      {Sandbox: s, Role: plan.RoleData},
		ObjectName(s, plan.RoleCerts):                                     {Sandbox: s, Role: plan.RoleCerts},
		ObjectName(s, plan.RoleCAs):                                       {Sandbox: s, Role: plan.RoleCAs},
		ObjectName(s, plan.RoleEnded):                                     {Sandbox: s, Role: plan.RoleEnded},
		ObjectName(s, plan.RoleHeld):                                      {Sandbox: s, Role: plan.RoleHeld},
		ObjectName(s, plan.RoleHeldBefore):                                {Sandbox: s, Role: plan.RoleHeldBefore},
		ObjectName(s, plan.RoleMark):                                      {Sandbox: s, Role: plan.RoleMark},
		ObjectName(s, plan.RoleSidecar) + "-v0":                           {Sandbox: s, Role: plan.RoleScratch},
		ObjectName(s, plan.RoleJob) + "-v12":                              {Sandbox: s, Role: plan.RoleScratch},
		ObjectName(s, plan.RoleScratch) + "-v1":                           {Sandbox: s, Role: plan.RoleScratch},
		CacheHelperName(s) + "-v0":                                        {Sandbox: s, Role: plan.RoleScratch},
		ServiceName(s, 3) + "-v0":                                         {Sandbox: s, Role: plan.RoleScratch},
		"dind-data-" + s + "-2-sidecar-v1":                                {Role: plan.RoleScratch}, // of earlier versions
		ObjectName(s, plan.RoleCache):                                     {Sandbox: s, Role: plan.RoleScratch},
		OwnCacheName(s, "/root/.m2"):                                      {Sandbox: s, Role: plan.RoleScratch},
		PathCacheName("scope", "/root/.m2"):                               {Role: plan.RoleCache},
		SeedName(long, s):                                                 {Role: plan.RoleSeed},
		ReadyName(SeedName(long, s)):                                      {Role: plan.RoleMark, Of: SeedName(long, s)},
		CacheName("scope"):                                                {Role: plan.RoleCache},
		DataName("scope", "kind", 7):                                      {Role: plan.RoleData},
		"dind-cache-" + s:                                                 {Role: plan.RoleCache},
		"dind-cache-" + long:                                              {Role: plan.RoleCache},
		"dind-data-" + s + "-0":                                           {Role: plan.RoleData},
		"dind-data-" + long + "-7":                                        {Role: plan.RoleData},
		UsedName(CacheName("scope"), s):                                   {Role: plan.RoleMark, Of: CacheName("scope")},
		UsedName(DataName("scope", "kind", 0), s):                         {Role: plan.RoleMark, Of: DataName("scope", "kind", 0)},
		"dind-data-" + s + "-1-sidecar-v0":                                {Role: plan.RoleScratch},
		StateName(DataName("scope", "kind", 0), DataClean):                {Role: plan.RoleMark, Of: DataName("scope", "kind", 0)},
		StateName(DataName("scope", "kind", 0), DataDamaged):              {Role: plan.RoleMark, Of: DataName("scope", "kind", 0)},
		SeedName(s, s):                                                    {Role: plan.RoleSeed},
		ReadyName(SeedName(s, s)):                                         {Role: plan.RoleMark, Of: SeedName(s, s)},
		"dind-mirror-" + s + "-data":                                      {Role: plan.RoleMirror},
		"dind-mirror-" + s + "-v1":                                        {Role: plan.RoleMirror},
		StuckName(ObjectName(s, plan.RoleBuilds)):                         {Role: plan.RoleStuck, Of: ObjectName(s, plan.RoleBuilds)},
		StuckName(CacheName("scope")):                                     {Role: plan.RoleStuck, Of: CacheName("scope")},
		StuckName(ReadyName(SeedName(s, s))):                              {Role: plan.RoleStuck, Of: ReadyName(SeedName(s, s))},
		StuckName(UsedName(CacheName("scope"), s)):                        {Role: plan.RoleStuck, Of: UsedName(CacheName("scope"), s)},
		fmt.Sprintf("dind-mirror-%s-v%d", s, 0):                           {Role: plan.RoleMirror},
		strings.TrimSuffix(StuckName(ObjectName(s, "data")), StuckSuffix): {Sandbox: s, Role: plan.RoleData},
	} {
		if got, ours := ParseName(name); !ours || got != want {
			t.Errorf("%s is read as %+v (%t), want %+v", name, got, ours, want)
		}
	}
}

func TestNamesThatAreNotOurs(t *testing.T) {
	const s = "0123456789ab"
	for _, name := range []string{
		"", "dind", "dind-", "dind-" + s, "dind-" + s + "-", "dind-my-data", "dind-data", "dind-data-1", "dind-cache", "dind-cache-x",
		"dind-" + s + "-backup", "dind-" + s + "-builds-2", "dind-" + s + "-builds ", " dind-" + s + "-builds", "dind-" + s + "-builds\n",
		"x-dind-" + s + "-builds", "dind-" + s[:11] + "-builds", "dind-" + s + "0-builds", "dind-0123456789AB-builds", "dind-0123456789ag-builds",
		"dind-data-" + s, "dind-data-" + s + "-", "dind-data-" + s + "-x", "dind-data-" + s + "-0-old", "dind-data-" + long[:63] + "-0", "dind-data-" + s + "-00000",
		"dind-cache-" + s + "-0", "dind-cache-" + long + "0", "dind-cache-" + s + "-used-", "dind-cache-" + s + "-used-me",
		"dind-seed-" + s, "dind-seed-" + s + "-" + s + "-done", "dind-mirror-" + s, "dind-mirror-" + s + "-backup",
		"dind-rig-registry-0123456789ab", "my-stuck", "dind-my-data" + StuckSuffix, StuckName(StuckName(ObjectName(s, plan.RoleBuilds))),
		"dind-" + s + "-sidecar", "dind-" + s + "-job", "dind-" + s + "-sidecar-v", "dind-" + s + "-service-v0", "dind-" + s + "-registry-v0",
	} {
		if got, ours := ParseName(name); ours {
			t.Errorf("%q is read as %+v", name, got)
		}
	}
}
