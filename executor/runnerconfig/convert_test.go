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

// notes are the report of a section that is all new.
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

// What a docker executor's section becomes is in the golden files, whole.
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

// What the docker executor has without being told is written out for the custom
// executor. What an admin has said of it stays.
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

// Directories of the host keep their mode. An option that is none here drops them, as a
// variable does.
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

// A service that is the daemon of jobs here is it in the conversion, too, whatever its
// name.
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

// With --write the values go along.
func TestSecretsThatStayInTheSection(t *testing.T) {
	c, err := Convert("config.toml", docker(t), "docker")
	if err != nil {
		t.Fatal(err)
	}
	text, err := New{Name: "x", Exec: ours, Carried: c.Section}.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`SecretKey = "TOPSECRET"`, `"HTTPS_PROXY=http://u:pw@p:3128"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "SECRETSECRET") || strings.Contains(text, "DOCKER_TLS_CERTDIR") {
		t.Errorf("too much goes along:\n%s", text)
	}
	if !strings.Contains(c.Settings, "PASSWORD=SECRETSECRET") || strings.Contains(c.Shown, "SECRET") || !strings.Contains(c.Shown, "PASSWORD=REPLACE-ME") {
		t.Errorf("settings that are written, and shown:\n%s\n%s", c.Settings, c.Shown)
	}
	if _, err := Parse("x", []byte(text)); err != nil {
		t.Error(err)
	}
}

// Scripts often log in.
func TestScriptsAreShownNowhere(t *testing.T) {
	section := map[string]any{
		"pre_build_script": "docker login -p hunter2", "post_build_script": "echo hunter2", "pre_get_sources_script": "echo hunter2",
		"post_get_sources_script": "echo hunter2", "pre_clone_script": "echo hunter2", "nothing_script": "",
		"feature_flags": map[string]any{"FF_SCRIPT_SECTIONS": true}, "limit": int64(3),
	}
	got := fmt.Sprint(Hidden(section))
	if strings.Contains(got, "hunter2") || strings.Count(got, "REPLACE-ME") != 5 {
		t.Errorf("it shows %s", got)
	}
	if want := "FF_SCRIPT_SECTIONS:true"; !strings.Contains(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
}

// A secret is hidden whatever holds it: a list, a table among others, an address, the
// command of a service, a flag of the job's daemon.
func TestSecretsAreHiddenInEveryShape(t *testing.T) {
	c, err := Convert("x", []byte(`[[runners]]
executor = "docker"
url = "https://u:SECRET@gitlab.example.com"
clone_url = "https://SECRET@gitlab.example.com"
environment = ["A=SECRET", "SECRET"]
api_tokens = ["SECRET"]
new_thing = [{ token = "SECRET", inner = { password = "SECRET" } }]
[runners.headers]
Authorization = "Bearer SECRET"
[runners.secrets]
any = "SECRET"
[[runners.many]]
passphrase = "SECRET"
[runners.docker]
container_labels = { "deploy-token" = "SECRET", "team" = "SHOWN" }
[[runners.docker.services]]
name = "docker:dind"
command = ["--log-opt", "splunk-token=SECRET", "--max-concurrent-downloads=6"]
[[runners.docker.services]]
name = "docker:27-dind"
command = ["--log-opt", "splunk-token=ANOTHERSECRET"]
[[runners.docker.services]]
name = "redis:7"
entrypoint = ["sh", "-c"]
command = ["redis-server --requirepass SECRET"]
environment = ["P=SECRET"]
`), "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := New{Name: "x", URL: c.URL, Token: "SECRET", Exec: ours, Carried: c.Section}.Shown().Text()
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string]string{"section": text, "settings": c.Shown, "report": fmt.Sprint(notes(t, c))} {
		if strings.Contains(shown, "SECRET") {
			t.Errorf("the %s shows it:\n%s", what, shown)
		}
	}
	if _, err := Parse("x", []byte(text)); err != nil {
		t.Error(err)
	}
	if _, err := config.Parse("dind.toml", []byte(c.Shown)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`"team" = "SHOWN"`, "--log-opt=splunk-token=REPLACE-ME", `entrypoint = ["REPLACE-ME"]`} {
		if !strings.Contains(c.Shown, want) {
			t.Errorf("no %s in:\n%s", want, c.Shown)
		}
	}
}

// A runtime is the sidecar's, under the privilege that is made for it.
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

// Whatever stands where it should not is dropped or passed over.
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
