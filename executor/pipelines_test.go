package executor

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

const pipelines = "testdata/pipelines/"

// planOf plans a job of the documentation's pipelines. NAME.payload.json is GitLab's
// payload for the job, and NAME.env the Runner's environment of a hook.
func planOf(t *testing.T, name string, s config.Settings) (*plan.Plan, error) {
	t.Helper()
	p, err := payload.Read(pipelines + name + ".payload.json")
	if err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(pipelines + name + ".env")
	if err != nil {
		t.Fatal(err)
	}
	return plan.Build(s, payload.ForPlan(p, payload.NewEnvironment(strings.Split(string(env), "\n"))), plan.Facts{
		Sandbox: "0123456789ab",
		Owner:   `{"machine":"m","host":"runner-1","pidns":"pid:[4026531836]","boot":"b","pid":7,"start":11}`,
		Started: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC),
		Used:    []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")},
		DNS:     []netip.Addr{netip.MustParseAddr("192.0.2.53")},
		MTU:     1450, Arch: "x86_64",
	})
}

func pipelineNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(pipelines + "*.payload.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no payloads: %v", err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".payload.json"))
	}
	return names
}

// withOwnImages returns the settings of an admin who allows dind images besides the
// official ones.
func withOwnImages(t *testing.T) config.Settings {
	t.Helper()
	s, err := config.Load(pipelines + "own-images.toml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlansOfTheDocumentedPipelines(t *testing.T) {
	for _, name := range pipelineNames(t) {
		t.Run(name, func(t *testing.T) {
			p, err := planOf(t, name, withOwnImages(t))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			if err := enc.Encode(p); err != nil {
				t.Fatal(err)
			}
			got := b.Bytes()
			golden := pipelines + name + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Errorf("the plan changed; if it should, run go test -update (-want +got):\n%s", diff)
			}
		})
	}
}

// The properties that every documented pipeline relies on, without a golden file.
func TestEveryDocumentedPipelineReachesItsDaemonByTheNameDocker(t *testing.T) {
	for _, name := range pipelineNames(t) {
		t.Run(name, func(t *testing.T) {
			p, err := planOf(t, name, withOwnImages(t))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(p.Sidecar.Aliases, "docker") || len(p.Services) != 0 {
				t.Errorf("the sidecar answers to %q; services %+v", p.Sidecar.Aliases, p.Services)
			}
			plaintext := strings.HasPrefix(name, "6-")
			want := "DOCKER_HOST=tcp://docker:2376"
			if plaintext {
				want = "DOCKER_HOST=tcp://docker:2375"
			}
			if !slices.Contains(p.Job.Environment, want) {
				t.Errorf("the job's environment lacks %s: %q", want, p.Job.Environment)
			}
			if plaintext != (p.Sidecar.TLS == nil) || plaintext != (len(p.Warnings) == 1) {
				t.Errorf("TLS %+v, warnings %q", p.Sidecar.TLS, p.Warnings)
			}
			if !plaintext && !slices.Contains(p.Sidecar.TLS.Names, "docker") {
				t.Errorf("the certificate is for %q", p.Sidecar.TLS.Names)
			}
		})
	}
}

func TestJobsOfOnePipelineHaveTheSameSpec(t *testing.T) {
	specs := map[string]string{}
	for _, name := range pipelineNames(t) {
		if !strings.HasPrefix(name, "5-") {
			continue
		}
		p, err := planOf(t, name, config.Default())
		if err != nil {
			t.Fatal(err)
		}
		specs[p.Spec] = name
	}
	if len(specs) != 1 {
		t.Errorf("a sandbox made ahead fits only some of them: %v", specs)
	}
}

func TestOwnDindImagesAreRefusedUntilTheAdminAllowsThem(t *testing.T) {
	for _, name := range []string{"2-own-dind-image", "2b-own-dind-image-no-alias", "3-dependency-proxy"} {
		_, err := planOf(t, name, config.Default())
		if !fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "sidecar.allowed_images") {
			t.Errorf("%s: error %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}
