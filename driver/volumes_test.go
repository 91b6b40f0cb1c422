package driver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

func TestAVolumeUnderOurNameIsOursByItsLabelsAlone(t *testing.T) {
	mine := label.ForCached(plan.Claim{Scope: "gitlab/1/protected", Project: "g/a"}, plan.RoleData)
	with := func(change ...string) map[string]string {
		l := maps.Clone(mine)
		for i := 0; i < len(change); i += 2 {
			l[change[i]] = change[i+1]
		}
		return l
	}
	without := func(key string) map[string]string {
		l := maps.Clone(mine)
		delete(l, key)
		return l
	}
	for name, c := range map[string]struct {
		v    engine.Volume
		ours bool
	}{
		"ours":                              {engine.Volume{Driver: "local", Labels: mine}, true},
		"ours of another version and day":   {engine.Volume{Driver: "local", Labels: with(label.MadeBy, "0.1", label.Created, "x")}, true},
		"ours of before a project's rename": {engine.Volume{Driver: "local", Labels: with(label.Project, "g/b")}, true},
		"another scope's":                   {engine.Volume{Driver: "local", Labels: with(label.Scope, "gitlab/2/protected")}, false},
		"without a scope":                   {engine.Volume{Driver: "local", Labels: without(label.Scope)}, false},
		"of another role":                   {engine.Volume{Driver: "local", Labels: with(label.Role, "cache")}, false},
		"without a role":                    {engine.Volume{Driver: "local", Labels: without(label.Role)}, false},
		"a sandbox's":                       {engine.Volume{Driver: "local", Labels: with(label.Sandbox, "0123456789ab")}, false},
		"a mark":                            {engine.Volume{Driver: "local", Labels: with(label.Of, "x")}, false},
		"a mirror's":                        {engine.Volume{Driver: "local", Labels: with(label.Remote, "x")}, false},
		"a seed's":                          {engine.Volume{Driver: "local", Labels: with(label.Seed, "x")}, false},
		"without labels":                    {engine.Volume{Driver: "local"}, false},
		"of another driver":                 {engine.Volume{Driver: "nfs", Labels: mine}, false},
		"a directory of the host": {engine.Volume{
			Driver: "local", Labels: mine, Options: map[string]string{"type": "none", "o": "bind", "device": "/etc"},
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if why := engine.Foreign(c.v, mine); (why == "") != c.ours {
				t.Errorf("why not: %q", why)
			}
		})
	}
}

func TestAVolumeThatSomebodyElsePutThereIsNotTaken(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	l := label.ForCached(plan.Claim{Scope: "mine"}, plan.RoleCache)
	for range 2 { // first made, then found
		if err := d.eng.OwnVolume(t.Context(), "ours", l); err != nil {
			t.Fatal(err)
		}
	}
	e.AddVolume("theirs", label.ForCached(plan.Claim{Scope: "theirs"}, plan.RoleCache))
	before := e.Objects()
	err := d.eng.OwnVolume(t.Context(), "theirs", l)
	if !errors.Is(err, engine.ErrForeign) || fault.IsOfJob(err) || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if !slices.Equal(e.Objects(), before) {
		t.Errorf("it left %q", e.Objects())
	}
}

// mounted returns the volumes that a container mounts.
func mounted(t *testing.T, e *fakeengine.Engine, container string) (volumes []string) {
	t.Helper()
	list, _ := e.Container(container).Host["Mounts"].([]any)
	for _, m := range list {
		m, _ := m.(map[string]any)
		source, _ := m["Source"].(string)
		volumes = append(volumes, source)
	}
	return volumes
}

// A volume that a later job finds by its name may be foreign by then. So this test reads
// the mounted names from a job itself. Names without the sandbox's random id get a foreign
// volume in turn, and the next job must mount none of them.
func TestAVolumePutUnderANameOfOursIsNeverUsed(t *testing.T) {
	t.Parallel()
	const sandbox = "aaaaaaaaaaaa"
	jobOf := func(sandbox string) *plan.Plan {
		p := layeredPlan(t, sandbox)
		p.Helper.CachePath, p.Job.CachePath, p.Cached = "/cache", "/cache", true
		p.Helper.CachePaths, p.Job.CachePaths = []string{"/root/.m2"}, []string{"/root/.m2"}
		return p
	}
	all := func(e *fakeengine.Engine) (volumes []string) {
		for _, o := range e.Objects() {
			if name, ok := strings.CutPrefix(o, "container "); ok {
				volumes = append(volumes, mounted(t, e, name)...)
			}
		}
		slices.Sort(volumes)
		return slices.Compact(volumes)
	}
	e, d := fakeHost(t, jobOf(sandbox))
	e.AddImage(jobOf(sandbox).Sidecar.Image.Name, fakeengine.Image{Entrypoint: []string{"dockerd-entrypoint.sh"}, Volumes: []string{"/certs/ca", "/more"}})
	prepared(t, d, jobOf(sandbox))
	var found []string
	for _, v := range all(e) {
		if !strings.HasPrefix(v, "dind-"+sandbox+"-") {
			found = append(found, v)
		}
	}
	// A further name in this list needs OwnVolume, or a check with Foreign after its
	// creation.
	i := slices.IndexFunc(found, label.IsCachedData)
	kept := label.PathCacheName(jobOf(sandbox).Claim.Scope, "/root/.m2")
	if len(found) != 3 || i < 0 || !slices.Contains(found, kept) || !slices.Contains(found, label.CacheName(jobOf(sandbox).Claim.Scope)) {
		t.Fatalf("a job mounts by names that later jobs have, too: %q", found)
	}
	scope := jobOf(sandbox).Claim.Scope
	stranger := plan.Claim{Scope: "gitlab.example.com/666/unprotected", Project: "evil/app", Protection: plan.Unprotected}
	cache := label.CacheName(scope)
	names := []string{cache, kept}
	for slot := range 8 { // a job tries all slots
		names = append(names, fmt.Sprintf("%s%d", strings.TrimSuffix(found[i], "0"), slot))
	}
	for what, labels := range map[string]map[string]string{
		"without labels":                   nil,
		"another project's cache":          label.ForCached(stranger, plan.RoleCache),
		"another project's data root":      label.ForCached(stranger, plan.RoleData),
		"its own scope's, of another path": label.ForPathCache(plan.Claim{Scope: scope}, "/other"),
		"its own scope's, of another role": label.ForCached(plan.Claim{Scope: scope}, plan.RoleMark),
	} {
		t.Run(what, func(t *testing.T) {
			p := jobOf("bbbbbbbbbbbb")
			e, d := fakeHost(t, p)
			program(d)
			for _, name := range names {
				e.AddVolume(name, labels)
			}
			ready, err := d.Prepare(t.Context(), p, quiet)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range all(e) {
				if slices.Contains(names, v) {
					t.Errorf("%s is used: %q", v, e.Objects())
				}
			}
			if len(ready.Warnings) != 1 || !strings.Contains(ready.Warnings[0], "this job has no /cache of earlier ones: volume "+cache+": ") || strings.Contains(ready.Warnings[0], "evil") {
				t.Errorf("warnings %q", ready.Warnings)
			}
			for _, container := range []string{"job", "helper"} {
				for _, path := range []string{"", "/root/.m2"} {
					if own := label.OwnCacheName(p.Sandbox, path); !slices.Contains(mounted(t, e, label.ObjectName(p.Sandbox, plan.Role(container))), own) {
						t.Errorf("the %s has no cache that ends with the job: %s", container, own)
					}
				}
			}
			for _, o := range e.Objects() {
				if strings.Contains(o, "-used-") {
					t.Errorf("%s says that it is used", o)
				}
			}
			if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
				t.Fatal(err)
			}
			for _, o := range e.Objects() {
				if !slices.Contains(names, strings.TrimPrefix(o, "volume ")) {
					t.Errorf("%s outlives its job", o)
				}
			}
		})
	}
}

func TestANameCountsOnlyForWhatWeCouldHaveMade(t *testing.T) {
	name := label.ObjectName("0123456789ab", plan.RoleBuilds)
	for what, v := range map[string]engine.Volume{
		"with our labels":         {Driver: "local", Labels: label.InSandbox("0123456789ab", plan.RoleBuilds)},
		"with somebody's label":   {Driver: "local", Labels: map[string]string{"com.docker.compose.project": "x"}},
		"with an empty label":     {Driver: "local", Labels: map[string]string{"": ""}},
		"of another driver":       {Driver: "nfs"},
		"a directory of the host": {Driver: "local", Options: map[string]string{"o": "bind", "type": "none", "device": "/srv"}},
	} {
		v.Name = name
		if _, is := engine.Lost(&v); is {
			t.Errorf("a volume %s counts as ours by its name", what)
		}
	}
	for _, labels := range []map[string]string{nil, {}} {
		if n, is := engine.Lost(&engine.Volume{Name: name, Driver: "local", Labels: labels}); !is || n.Sandbox != "0123456789ab" {
			t.Error("without labels a volume does not count as ours")
		}
	}
}
