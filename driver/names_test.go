package driver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/plan"
)

const long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestNamesOfVolumes(t *testing.T) {
	const s = "0123456789ab"
	for name, want := range map[string]ourName{
		objectName(s, plan.RoleBuilds):                                    {sandbox: s, role: plan.RoleBuilds},
		objectName(s, plan.RoleData):                                      {sandbox: s, role: plan.RoleData},
		objectName(s, plan.RoleCerts):                                     {sandbox: s, role: plan.RoleCerts},
		objectName(s, plan.RoleCAs):                                       {sandbox: s, role: plan.RoleCAs},
		objectName(s, plan.RoleHeld):                                      {sandbox: s, role: plan.RoleHeld},
		objectName(s, plan.RoleHeldBefore):                                {sandbox: s, role: plan.RoleHeldBefore},
		objectName(s, plan.RoleMark):                                      {sandbox: s, role: plan.RoleMark},
		objectName(s, plan.RoleSidecar) + "-v0":                           {sandbox: s, role: plan.RoleScratch},
		objectName(s, plan.RoleJob) + "-v12":                              {sandbox: s, role: plan.RoleScratch},
		objectName(s, plan.RoleScratch) + "-v1":                           {sandbox: s, role: plan.RoleScratch},
		cacheHelperName(s) + "-v0":                                        {sandbox: s, role: plan.RoleScratch},
		serviceName(s, 3) + "-v0":                                         {sandbox: s, role: plan.RoleScratch},
		"dind-data-" + s + "-2-sidecar-v1":                                {role: plan.RoleScratch}, // of earlier versions
		objectName(s, plan.RoleCache):                                     {sandbox: s, role: plan.RoleScratch},
		seedName(long, s):                                                 {role: plan.RoleSeed},
		readyName(seedName(long, s)):                                      {role: plan.RoleMark, of: seedName(long, s)},
		cacheName("scope"):                                                {role: plan.RoleCache},
		dataName("scope", "kind", 7):                                      {role: plan.RoleData},
		"dind-cache-" + s:                                                 {role: plan.RoleCache},
		"dind-cache-" + long:                                              {role: plan.RoleCache},
		"dind-data-" + s + "-0":                                           {role: plan.RoleData},
		"dind-data-" + long + "-7":                                        {role: plan.RoleData},
		usedName(cacheName("scope"), s):                                   {role: plan.RoleMark, of: cacheName("scope")},
		usedName(dataName("scope", "kind", 0), s):                         {role: plan.RoleMark, of: dataName("scope", "kind", 0)},
		"dind-data-" + s + "-1-sidecar-v0":                                {role: plan.RoleScratch},
		stateName(dataName("scope", "kind", 0), dataClean):                {role: plan.RoleMark, of: dataName("scope", "kind", 0)},
		stateName(dataName("scope", "kind", 0), dataDamaged):              {role: plan.RoleMark, of: dataName("scope", "kind", 0)},
		seedName(s, s):                                                    {role: plan.RoleSeed},
		readyName(seedName(s, s)):                                         {role: plan.RoleMark, of: seedName(s, s)},
		"dind-mirror-" + s + "-data":                                      {role: plan.RoleMirror},
		"dind-mirror-" + s + "-v1":                                        {role: plan.RoleMirror},
		stuckName(objectName(s, plan.RoleBuilds)):                         {role: plan.RoleStuck, of: objectName(s, plan.RoleBuilds)},
		stuckName(cacheName("scope")):                                     {role: plan.RoleStuck, of: cacheName("scope")},
		stuckName(readyName(seedName(s, s))):                              {role: plan.RoleStuck, of: readyName(seedName(s, s))},
		stuckName(usedName(cacheName("scope"), s)):                        {role: plan.RoleStuck, of: usedName(cacheName("scope"), s)},
		fmt.Sprintf("dind-mirror-%s-v%d", s, 0):                           {role: plan.RoleMirror},
		strings.TrimSuffix(stuckName(objectName(s, "data")), stuckSuffix): {sandbox: s, role: plan.RoleData},
	} {
		if got, ours := parseName(name); !ours || got != want {
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
		"dind-rig-registry-0123456789ab", "my-stuck", "dind-my-data" + stuckSuffix, stuckName(stuckName(objectName(s, plan.RoleBuilds))),
		"dind-" + s + "-sidecar", "dind-" + s + "-job", "dind-" + s + "-sidecar-v", "dind-" + s + "-service-v0", "dind-" + s + "-registry-v0",
	} {
		if got, ours := parseName(name); ours {
			t.Errorf("%q is read as %+v", name, got)
		}
	}
}

func TestANameCountsOnlyForWhatWeCouldHaveMade(t *testing.T) {
	name := objectName("0123456789ab", plan.RoleBuilds)
	for what, v := range map[string]volume.Volume{
		"with our labels":         {Driver: "local", Labels: labels("0123456789ab", plan.RoleBuilds)},
		"with somebody's label":   {Driver: "local", Labels: map[string]string{"com.docker.compose.project": "x"}},
		"with an empty label":     {Driver: "local", Labels: map[string]string{"": ""}},
		"of another driver":       {Driver: "nfs"},
		"a directory of the host": {Driver: "local", Options: map[string]string{"o": "bind", "type": "none", "device": "/srv"}},
	} {
		v.Name = name
		if _, is := lost(&v); is {
			t.Errorf("a volume %s counts as ours by its name", what)
		}
	}
	for _, labels := range []map[string]string{nil, {}} {
		if n, is := lost(&volume.Volume{Name: name, Driver: "local", Labels: labels}); !is || n.sandbox != "0123456789ab" {
			t.Error("without labels a volume does not count as ours")
		}
	}
}
