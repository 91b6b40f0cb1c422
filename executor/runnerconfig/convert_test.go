package runnerconfig

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func docker(t *testing.T) []byte {
	t.Helper()
	src, err := os.ReadFile("testdata/docker.toml")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// notes is the report for a section that is entirely new.
func notes(t *testing.T, c *Conversion) []Note {
	t.Helper()
	section := maps.Clone(c.Section)
	section["url"] = c.URL
	all, err := c.Report(section)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The golden files hold the whole conversion of a docker executor's section.
func TestConvertingADockerExecutor(t *testing.T) {
	for _, name := range []string{"docker", "plain"} {
		t.Run(name, func(t *testing.T) {
			c, err := Convert("config.toml", docker(t), name)
			if err != nil {
				t.Fatal(err)
			}
			n := New{Name: c.Name + " (dind)", URL: c.URL, Token: Placeholder, Exec: ours, Carried: Hidden(c.Section), Needs: Needs{}}
			section, err := n.Text()
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, note := range notes(t, c) {
				fmt.Fprintf(&b, "%-8s %s: %s\n", note.Kind, note.Key, note.Text)
			}
			got := section + "\n--- dind.toml\n" + c.Shown + "\n--- notes\n" + b.String()
			golden := "testdata/" + name + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
			if _, err := config.Parse("dind.toml", []byte(c.Settings)); err != nil {
				t.Errorf("the settings are none: %v", err)
			}
			for _, secret := range []string{"SECRET", "u:pw"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s is shown", secret)
				}
			}
		})
	}
}

// The docker executor's implicit settings are written out for the custom executor. An
// admin's own settings stay.
func TestASectionHasWhatTheDockerExecutorHasByItself(t *testing.T) {
	for name, c := range map[string]struct {
		carried map[string]any
		want    []string
	}{
		"nothing said":       {nil, []string{"safe_directory_checkout = true", "[runners.custom_build_dir]\n    enabled = true"}},
		"both said":          {map[string]any{"safe_directory_checkout": false, "custom_build_dir": map[string]any{"enabled": false}}, []string{"safe_directory_checkout = false", "[runners.custom_build_dir]\n    enabled = false"}},
		"a table of nothing": {map[string]any{"custom_build_dir": map[string]any{}}, []string{"[runners.custom_build_dir]\n    enabled = true"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := New{Name: "x", Exec: ours, Carried: c.carried}.Text()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
		})
	}
}

// Directories of the host keep their mode. An option without a meaning here drops them, and
// so does a variable.
func TestDirectoriesOfTheHostKeepTheirMode(t *testing.T) {
	for volume, want := range map[string]string{
		"/srv/a:/a": "/srv/a:/a", "/srv/a:/a:ro": "/srv/a:/a:ro", "/srv/a:/a:rw": "/srv/a:/a:rw",
		"/srv/a:/a:z": "", "/srv/a:/a:ro,Z": "", "/srv/a:/a:O": "", "/srv/a:/a:rshared": "",
		"/srv/$CI_PROJECT_ID:/a": "", "/srv/a:/a/${CI_JOB_NAME}": "", "/keep/$CI_JOB_NAME": "",
	} {
		c, err := Convert("x", fmt.Appendf(nil, "[[runners]]\nexecutor = \"docker\"\n[runners.docker]\nvolumes = [%q]\n", volume), "")
		if err != nil {
			t.Fatal(err)
		}
		s, err := config.Parse("dind.toml", []byte(c.Settings))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.Job.Volumes, " "); got != want || strings.Join(s.Services.Volumes, " ") != want || len(s.Cache.Paths) > 0 {
			t.Errorf("%s is %q, want %q: %+v", volume, got, want, notes(t, c))
		}
	}
}

// The service that jobs here would take as their daemon is the daemon in the conversion,
// too, whatever its name.
func TestWhichServiceOfTheRunnerIsTheDaemon(t *testing.T) {
	for service, want := range map[string]bool{
		`name = "docker:27-dind"`: true, `name = "r.example.com/builder:1", alias = "x docker"`: true, `name = "r.example.com/dind:1"`: true,
		`name = "dind.example.com/redis:7"`: false, `name = "docker:27-cli"`: false, `name = "redis:7"`: false, `alias = "db"`: false,
	} {
		c, err := Convert("x", fmt.Appendf(nil, "[[runners]]\nexecutor = \"docker\"\n[runners.docker]\nservices = [{ %s }]\n", service), "")
		if err != nil || strings.Contains(c.Settings, "[sidecar]") != want {
			t.Errorf("%s: %v\n%s", service, err, c.Settings)
		}
	}
}

// A runtime becomes the sidecar's, with the matching privilege.
func TestARuntimeBecomesAPrivilege(t *testing.T) {
	for name, c := range map[string]struct{ runtime, privilege, note string }{
		"sysbox":              {"sysbox-runc", config.PrivilegeRuntime, "for the sidecar alone"},
		"gVisor":              {"runsc", config.PrivilegeGVisor, "docs/gvisor.md"},
		"gVisor, another one": {"runsc-kvm", config.PrivilegeGVisor, "docs/gvisor.md"},
		"the engine's own":    {"runc", "", "sidecar.runtime"},
		"another":             {"kata", "", "sidecar.runtime"},
	} {
		t.Run(name, func(t *testing.T) {
			converted, err := Convert("x", fmt.Appendf(nil, "[[runners]]\nexecutor = \"docker\"\n[runners.docker]\nruntime = %q\n", c.runtime), "")
			if err != nil {
				t.Fatal(err)
			}
			s, err := config.Parse("dind.toml", []byte(converted.Settings))
			if err != nil {
				t.Fatal(err)
			}
			if c.privilege == "" && converted.Settings != "" || c.privilege != "" && (s.Sidecar.Privilege != c.privilege || s.Sidecar.Runtime != c.runtime) {
				t.Errorf("settings:\n%s", converted.Settings)
			}
			if !slices.ContainsFunc(notes(t, converted), func(n Note) bool {
				return n.Key == "runtime" && n.Kind != Carried && (n.Kind == Dropped) == (c.privilege == "") && strings.Contains(n.Text, c.note)
			}) {
				t.Errorf("notes: %+v", notes(t, converted))
			}
		})
	}
}

// Values in the wrong place are dropped or passed over.
func TestAStrangeSectionIsConverted(t *testing.T) {
	src := `[[runners]]
executor = "docker"
name = 7
environment = "no list"
[runners.docker]
image = 3
memory = "much"
cpus = "many"
volumes = 1
services = "redis"
extra_hosts = { a = "b" }
pull_policy = ["sometimes"]
wait_for_services_timeout = "long"
privileged = "yes"
network_mtu = 1
`
	c, err := Convert("x", []byte(src), "")
	if err != nil {
		t.Fatal(err)
	}
	if c.Settings != "" {
		t.Errorf("settings:\n%s", c.Settings)
	}
	for _, key := range []string{"image", "memory", "cpus", "pull_policy", "network_mtu"} {
		if !slices.ContainsFunc(notes(t, c), func(n Note) bool { return strings.HasPrefix(n.Key, key) && n.Kind == Dropped }) {
			t.Errorf("nothing is said of %s: %+v", key, notes(t, c))
		}
	}
}
