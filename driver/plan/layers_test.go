package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
)

func TestDataRootsThatAJobMayTry(t *testing.T) {
	for name, c := range map[string]struct {
		cached, damaged []int
		others, base    bool
		want            string
	}{
		"the first job beside a base":         {base: true, others: true, want: "0 copied 1 copied 2 copied 3 copied 4 copied 5 copied 6 copied 7 copied"},
		"jobs at once beside a base":          {base: true, cached: []int{0, 1, 2, 3}, damaged: []int{4}, want: "0 reused 1 reused 2 reused 3 reused 5 copied 6 copied 7 copied"},
		"the first job":                       {want: "0 first 1 first 2 first 3 first 4 first 5 first 6 first 7 first"},
		"the first of another docker version": {others: true, want: "0 other 1 other 2 other 3 other 4 other 5 other 6 other 7 other"},
		"cached ones before new ones":         {cached: []int{5, 2}, want: "2 reused 5 reused 0 more 1 more 3 more 4 more 6 more 7 more"},
		"damaged ones are nobody's":           {cached: []int{1}, damaged: []int{0, 2}, want: "1 reused 3 more 4 more 5 more 6 more 7 more"},
		"no more than eight":                  {cached: []int{0, 1, 2, 3, 4, 5, 6, 7}, want: "0 reused 1 reused 2 reused 3 reused 4 reused 5 reused 6 reused 7 reused"},
	} {
		var got []string
		for _, r := range DataRoots(c.cached, c.damaged, c.others, c.base) {
			got = append(got, string('0'+rune(r.Slot)), string(r.State))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", name, s, c.want)
		}
	}
}

func TestABaseIsMadeAnewInTime(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		made time.Time
		want bool
	}{
		"a moment ago":         {now, false},
		"half an hour ago":     {now.Add(-30 * time.Minute), false},
		"an hour ago":          {now.Add(-time.Hour), true},
		"by a clock too early": {now.Add(time.Hour), true},
	} {
		if got := BaseDue(c.made, now); got != c.want {
			t.Errorf("%s: due is %t", name, got)
		}
	}
}

// Layers of protected refs go to other refs if the settings say so, and never back.
func TestLayersAreInheritedOneWay(t *testing.T) {
	for name, c := range map[string]struct {
		layers, of string
		protection Protection
		want       string
	}{
		"an unprotected ref":        {config.LayersInherit, "protected", Unprotected, "protected"},
		"a protected ref":           {config.LayersInherit, "", Protected, ""},
		"each keeps its own":        {config.LayersProject, "protected", Unprotected, ""},
		"nothing is kept":           {config.LayersOff, "protected", Unprotected, ""},
		"nobody knows what it is":   {config.LayersInherit, "protected", ProtectionUnknown, ""},
		"nothing of it ever lasted": {config.LayersInherit, "protected", Unprotected, ""},
	} {
		s, job, facts := example()
		s.Cache.Layers, job.Inherits, job.Protection = c.layers, c.of, c.protection
		job.Lasting = name != "nothing of it ever lasted"
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if p.Claim.Inherits != c.want || p.Sidecar.Layers != (c.layers != config.LayersOff && job.Shares()) {
			t.Errorf("%s: inherits %q, layers %t", name, p.Claim.Inherits, p.Sidecar.Layers)
		}
	}
}

// layered builds the sidecar of a job with cached layers, fitted to an image.
func layered(t *testing.T, change func(*config.Settings, *Job, *DindImage)) Sidecar {
	t.Helper()
	s, job, facts := example()
	s.Cache.Layers, job.Lasting = config.LayersProject, true
	img := DindImage{ID: "sha256:a", Docker: Version{28, 1}, Entrypoint: []string{"dockerd-entrypoint.sh"}, Volumes: []string{"/var/lib/docker", "/home/rootless/.local/share/docker"}}
	change(&s, &job, &img)
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	sc, _, err := p.Sidecar.Fit(img, EngineHost{Filesystem: "btrfs"})
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestLayersFitDaemonsOfTheSameKindAlone(t *testing.T) {
	base := layered(t, func(*config.Settings, *Job, *DindImage) {}).DataKind
	if base == "" {
		t.Fatal("there is no kind")
	}
	for name, change := range map[string]func(*config.Settings, *Job, *DindImage){
		"another build of the same release": func(_ *config.Settings, _ *Job, i *DindImage) { i.ID, i.Docker = "sha256:b", Version{28, 3} },
		"another tag of the same release":   func(_ *config.Settings, j *Job, _ *DindImage) { j.Services = []Service{named("docker:28.1.1-dind")} },
		"an alias":                          func(_ *config.Settings, j *Job, _ *DindImage) { j.Services = []Service{named("docker:dind", "dind")} },
		"the usual storage driver":          func(_ *config.Settings, j *Job, _ *DindImage) { j.Variables = vars("DOCKER_DRIVER=overlay2") },
		"another MTU":                       func(s *config.Settings, _ *Job, _ *DindImage) { s.Network.MTU = 1400 },
		"the slow way of booting":           func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.FastBoot = false },
		"other limits":                      func(s *config.Settings, _ *Job, _ *DindImage) { s.Limits.Sidecar.PIDs = 9 },
	} {
		if layered(t, change).DataKind != base {
			t.Errorf("%s makes another kind", name)
		}
	}
	seen := map[string]string{base: "the base"}
	for name, change := range map[string]func(*config.Settings, *Job, *DindImage){
		"another release":              func(_ *config.Settings, _ *Job, i *DindImage) { i.Docker = Version{29, 0} },
		"an image of no known release": func(_ *config.Settings, _ *Job, i *DindImage) { i.Docker = Version{} },
		"another such image":           func(_ *config.Settings, _ *Job, i *DindImage) { i.Docker, i.ID = Version{}, "sha256:b" },
		"another repository": func(s *config.Settings, j *Job, _ *DindImage) {
			s.Sidecar.AllowedImages = []string{"**"}
			j.Services = []Service{named("registry.example.com/docker:dind")}
		},
		"another storage driver": func(_ *config.Settings, j *Job, _ *DindImage) { j.Variables = vars("DOCKER_DRIVER=vfs") },
		"a command":              func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.Arguments = []string{"--debug"} },
		"a reduced sidecar":      func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.Privilege = config.PrivilegeReduced },
		"a rootless sidecar":     func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.Privilege = config.PrivilegeRootless },
		"a runtime": func(s *config.Settings, _ *Job, _ *DindImage) {
			s.Sidecar.Privilege, s.Sidecar.Runtime = config.PrivilegeRuntime, "sysbox-runc"
		},
	} {
		got := layered(t, change).DataKind
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the kind of %s", name, other)
		}
		seen[got] = name
	}
}

func TestEveryWayOfBootingForgetsTheNamesOfCachedImages(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Settings, *Job, *DindImage)
		data   string
	}{
		"the fast way":            {func(*config.Settings, *Job, *DindImage) {}, "DATA='/var/lib/docker'"},
		"the image's own":         {func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.FastBoot = false }, "DATA='/var/lib/docker'"},
		"an entrypoint of theirs": {func(_ *config.Settings, _ *Job, i *DindImage) { i.Entrypoint = []string{"/mine"} }, "DATA='/var/lib/docker'"},
		"without root":            {func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.Privilege = config.PrivilegeRootless }, "DATA='/home/rootless/.local/share/docker'"},
	} {
		s := layered(t, c.change)
		if n := strings.Count(s.Entrypoint[2], dropNamed); n != 1 {
			t.Errorf("%s: what cannot be forgotten is dropped %d times: %q", name, n, s.Entrypoint)
		}
		if len(s.Entrypoint) < 3 || !strings.HasPrefix(strings.TrimPrefix(s.Entrypoint[2], takeFiles), c.data+"\n") || !strings.Contains(s.Entrypoint[2], findNames) {
			t.Errorf("%s: entrypoint %q", name, s.Entrypoint)
		}
	}
	off := layered(t, func(s *config.Settings, _ *Job, _ *DindImage) { s.Cache.Layers = config.LayersOff })
	never := layered(t, func(_ *config.Settings, j *Job, _ *DindImage) { j.Lasting = false })
	for _, s := range []Sidecar{off, never} {
		if s.Layers || s.DataKind != "" || slices.ContainsFunc(s.Entrypoint, func(a string) bool { return strings.Contains(a, findNames) }) {
			t.Errorf("layers are cached: %+v", s)
		}
	}
}

func TestLayersByPolicy(t *testing.T) {
	s, job, facts := example()
	yes := true
	job.Lasting = true
	for _, usual := range config.LayersChoices {
		for _, protected := range config.LayersChoices {
			s.Cache.Layers, s.Policies = usual, []config.Policy{{Protected: &yes, Cache: config.PolicyCache{Layers: protected}}}
			for is, want := range map[bool]string{true: protected, false: usual} {
				job.Protection = ProtectionOf(&is)
				p, err := Build(s, job, facts)
				if err != nil || p.Sidecar.Layers != (want != config.LayersOff) {
					t.Errorf("usually %s, protected %s: protected %t has layers %t (%v)", usual, protected, is, p.Sidecar.Layers, err)
				}
			}
		}
	}
}

// A sandbox made ahead with a scope's layers must not go to a job of another scope.
func TestTheLayersScopeIsPartOfTheSpec(t *testing.T) {
	spec := func(layers, scope string) string {
		s, job, facts := example()
		s.Cache.Volume, s.Cache.Layers, job.Lasting, job.Scope = false, layers, true, scope
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		return p.Spec
	}
	if spec("project", "a/1/protected") == spec("project", "a/1/unprotected") {
		t.Error("two scopes with layers have one spec")
	}
	if spec("off", "a/1/protected") != spec("off", "a/1/unprotected") {
		t.Error("two scopes without layers have two specs")
	}
	if spec("off", "a/1/protected") == spec("project", "a/1/protected") {
		t.Error("layers do not change the spec")
	}
}
