package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/fault"
)

func TestWhatIsSoundOfAFileWithFaults(t *testing.T) {
	const sound = "[sidecar]\nimage = \"docker:28-dind\"\n[network]\nmtu = 1400\n"
	for name, c := range map[string]struct {
		src string
		// broken is a key at fault, whole are some sound keys.
		broken string
		whole  []string
		faults int
	}{
		"a value of another kind":     {sound + "[pool]\nsize = \"many\"\n", "pool.size", []string{"pool.max_age", "sidecar", "network", "policy"}, 1},
		"a value that cannot be":      {sound + "[pool]\nsize = -1\n", "pool.size", []string{"pool.max_age", "sidecar"}, 1},
		"an unknown key":              {sound + "[pool]\nsizes = 1\n", "pool", []string{"pool.size", "sidecar"}, 1},
		"an unknown table":            {sound + "[pools]\nsize = 1\n", "pools", []string{"pool", "sidecar"}, 1},
		"a table that is none":        {"pool = 1\n" + sound, "pool", []string{"sidecar", "policy"}, 1},
		"one of a list":               {sound + "[[policy]]\nprojects = [\"a/*\"]\n[[policy]]\nprojects = [\"\"]\n", "policy", []string{"sidecar", "cache"}, 1},
		"one of a map":                {sound + "[registry.\"r.example.com:5050\"]\nca_file = \"ca.crt\"\n", "registry", []string{"sidecar", "network"}, 1},
		"a key of a table in a table": {sound + "[limits.sidecar]\ncpus = -1\n", "limits.sidecar.cpus", []string{"limits.job", "limits.sidecar.memory"}, 1},
		"several":                     {sound + "[limits.sidecar]\ncpus = -1\n[mirror]\nport = -1\n", "mirror.port", []string{"limits.job", "sidecar"}, 2},
		"a default that does not fit": {sound + "[services]\nmax = \"two\"\n" + strings.Repeat("[[service]]\nname = \"redis:7\"\n", 33), "services.max", []string{"sidecar"}, 1},
		"none":                        {sound, "", []string{"sidecar", "policy", "registry"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "dind.toml")
			if err := os.WriteFile(file, []byte(c.src), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := LoadPartly(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Faults) != c.faults {
				t.Errorf("faults %v", p.Faults)
			}
			for i, f := range p.Faults {
				if last := i == len(p.Faults)-1; last != (fault.HintOf(f) != "") {
					t.Errorf("fault %d has the hint %q", i, fault.HintOf(f))
				}
			}
			if c.broken != "" && p.Broken(c.broken) == "" {
				t.Errorf("%s is taken for sound", c.broken)
			}
			if got := p.Broken(c.whole...); got != "" {
				t.Errorf("%s is at fault", got)
			}
			if p.Settings.Network.MTU != 1400 || p.Settings.Sidecar.Image != "docker:28-dind" {
				t.Errorf("what is sound is not read: %+v", p.Settings.Sidecar)
			}
			if left := validate(p.Settings); slices.ContainsFunc(left, func(f keyFault) bool { return p.Broken(f.key) == "" }) {
				t.Errorf("faults that nobody is told of: %v", left)
			}
		})
	}
}

func TestASoundFileIsReadAsEver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(file, DefaultFile, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPartly(file)
	if diff := cmp.Diff(Default(), p.Settings, sameSettings); err != nil || diff != "" || len(p.Faults) > 0 {
		t.Errorf("%v, %v\n%s", err, p.Faults, diff)
	}
	for name, src := range map[string]string{"no TOML": "[sidecar\n", "a file that is not there": ""} {
		file := filepath.Join(t.TempDir(), "dind.toml")
		if src != "" {
			if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := LoadPartly(file); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
