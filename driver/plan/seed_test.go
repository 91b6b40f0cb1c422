package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

func TestSeedsThatTheSettingsWant(t *testing.T) {
	s := config.Default()
	if w := SeedWishes(s); len(w) != 0 {
		t.Errorf("the defaults want %+v", w)
	}
	s.Cache.SeedImages = []string{"golang:1.26", "debian", "docker.io/library/debian:latest"}
	s.Policies = []config.Policy{
		{Name: "changes nothing of it", Limits: config.PolicyLimits{}},
		{Name: "none", Cache: config.PolicyCache{SeedImages: []string{}}},
		{Name: "another", Cache: config.PolicyCache{SeedImages: []string{"alpine:3"}}},
		{Name: "other daemon", Sidecar: config.PolicySidecar{Image: "docker:27-dind"}},
		{Name: "rootless", Sidecar: config.PolicySidecar{Image: "docker:dind-rootless", Privilege: config.PrivilegeRootless}},
		{Name: "gvisor", Sidecar: config.PolicySidecar{Image: "docker:28-dind", Privilege: config.PrivilegeGVisor}},
	}
	var got []string
	for _, w := range SeedWishes(s) {
		got = append(got, w.Image+" "+strings.Join(w.Images, ",")+" "+w.Unfit)
	}
	both := "docker.io/library/debian:latest,docker.io/library/golang:1.26 "
	want := []string{s.Sidecar.Image + " " + both, s.Sidecar.Image + " docker.io/library/alpine:3 ", "docker:27-dind " + both, `docker:dind-rootless ` + both + `sidecar.privilege is "rootless"`, `docker:28-dind ` + both + `sidecar.privilege is "gvisor"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestSeedsFitDaemonsThatStoreAlike(t *testing.T) {
	kind := func(change func(*config.Settings, *Job, *DindImage)) string {
		return layered(t, func(s *config.Settings, j *Job, i *DindImage) {
			s.Cache.SeedImages = []string{"debian:12"}
			change(s, j, i)
		}).Seed
	}
	base := kind(func(*config.Settings, *Job, *DindImage) {})
	if base == "" {
		t.Fatal("there is no kind")
	}
	command := func(args ...string) func(*config.Settings, *Job, *DindImage) {
		return func(_ *config.Settings, j *Job, _ *DindImage) {
			svc := named("docker:dind")
			svc.Command = args
			j.Services = []Service{svc}
		}
	}
	for name, change := range map[string]func(*config.Settings, *Job, *DindImage){
		"layers are off":   func(s *config.Settings, _ *Job, _ *DindImage) { s.Cache.Layers = config.LayersOff },
		"another MTU":      command("--mtu=1400", "--registry-mirror=http://m"),
		"a patch release":  func(_ *config.Settings, _ *Job, i *DindImage) { i.ID = "sha256:b" },
		"the name in full": func(s *config.Settings, _ *Job, _ *DindImage) { s.Cache.SeedImages[0] = "docker.io/library/debian:12" },
	} {
		if got := kind(change); got != base {
			t.Errorf("%s: %q, want %q", name, got, base)
		}
	}
	for name, change := range map[string]func(*config.Settings, *Job, *DindImage){
		"another release":        func(_ *config.Settings, _ *Job, i *DindImage) { i.Docker = Version{29, 0} },
		"other images":           func(s *config.Settings, _ *Job, _ *DindImage) { s.Cache.SeedImages = []string{"debian:13"} },
		"another storage driver": func(_ *config.Settings, j *Job, _ *DindImage) { j.Variables = vars("DOCKER_DRIVER=vfs") },
		"other rights":           func(s *config.Settings, _ *Job, _ *DindImage) { s.Sidecar.Privilege = config.PrivilegeReduced },
	} {
		if got := kind(change); got == base || got == "" {
			t.Errorf("%s: %q is no other kind", name, got)
		}
	}
	for name, change := range map[string]func(*config.Settings, *Job, *DindImage){
		"no images":         func(s *config.Settings, _ *Job, _ *DindImage) { s.Cache.SeedImages = nil },
		"storage elsewhere": command("--userns-remap=default"),
		"storage otherwise": command("-s", "vfs"),
		"an entrypoint of its own": func(_ *config.Settings, j *Job, _ *DindImage) {
			svc := named("docker:dind")
			svc.Entrypoint = []string{"/mine"}
			j.Services = []Service{svc}
		},
		"a runtime": func(s *config.Settings, _ *Job, _ *DindImage) {
			s.Sidecar.Privilege, s.Sidecar.Runtime = config.PrivilegeRuntime, "sysbox-runc"
		},
	} {
		if got := kind(change); got != "" {
			t.Errorf("%s: there is a seed, %q", name, got)
		}
	}
}

func TestASidecarWithoutSeedsKnowsNothingOfThem(t *testing.T) {
	entrypoint := strings.Join(layered(t, func(*config.Settings, *Job, *DindImage) {}).Entrypoint, "\n")
	if strings.Contains(entrypoint, SeedPath) {
		t.Errorf("its entrypoint is %s", entrypoint)
	}
}

// plant runs a sidecar's program for seeds, and returns a description of the data root. The
// program in the seed notes that it was called.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, name)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	script := strings.ReplaceAll(plantSeed, SeedPath, dir+"/seed") + "DATA=" + dir + "/data\nmkdir -p $DATA\nseeded=\nplant_seed 7 >&2\n" +
		`echo "names $seeded"; cd $DATA; for f in .seed image/overlay2/*; do [ ! -f $f ] || echo "$f: $(cat $f)"; done`
	out, err := exec.Command("sh", "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWhatASidecarDoesWithASeed(t *testing.T) {
	const names = "|debian:12 sha256:a|"
	seed := map[string]string{
		"seed/" + SeedProgram: "#!/bin/sh\nmkdir -p \"$3/image/overlay2\"; echo \"copied for $4\" >\"$3/image/overlay2/repositories.json\"\n",
		"seed/" + SeedID:      "dind-seed-1\n", "seed/" + SeedNames: names + "\n",
		"seed/image/overlay2/repositories.json": "the seed's",
	}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{}
		for _, m := range []map[string]string{seed, more} {
			for k, v := range m {
				all[k] = v
			}
		}
		return all
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"an empty data root": {with(nil), "names \n.seed: dind-seed-1\nimage/overlay2/repositories.json: copied for 7\n"},
		"one that this seed was planted in": {
			with(map[string]string{"data/.seed": "dind-seed-1\n", "data/image/overlay2/x": "layers"}),
			"names " + names + "\n.seed: dind-seed-1\nimage/overlay2/repositories.json: the seed's\nimage/overlay2/x: layers\n",
		},
		"one that another was planted in": {
			with(map[string]string{"data/.seed": "dind-seed-0\n", "data/image/overlay2/x": "layers"}),
			"names \n.seed: dind-seed-0\nimage/overlay2/x: layers\n",
		},
		"one of before the seeds": {with(map[string]string{"data/image/overlay2/x": "layers"}), "names \nimage/overlay2/x: layers\n"},
		"a copy that fails":       {with(map[string]string{"seed/" + SeedProgram: "#!/bin/sh\nexit 2\n"}), "names \n"},
		"no seed":                 {nil, "names \n"},
		"a seed of nothing":       {map[string]string{"seed/x": ""}, "names \n"},
	} {
		if got := plant(t, c.files); got != c.want {
			t.Errorf("%s:\n%swant\n%s", name, got, c.want)
		}
	}
}
