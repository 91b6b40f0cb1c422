package driver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
)

// testPlan returns the plan of a job with a service, under the default settings.
func testPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.Build(config.Default(), plan.Job{
		Key: "gitlab.example.com/7", Scope: "gitlab.example.com/42/unprotected", Timeout: time.Hour,
		Project: "group/app", Protection: plan.Unprotected, Instances: []string{"gitlab.example.com"},
		BuildsDir: "/builds", RunnerVersion: "18.6.6",
		Services: []plan.Service{{Image: plan.Image{Name: "redis:7"}, Aliases: []string{"cache"}}},
	}, plan.Facts{
		Sandbox: "0123456789ab", Owner: owner.Process{PID: 1}.String(), Started: noon, Arch: "x86_64", MTU: 1450,
		Used: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLabelsAreCompleteFromTheBeginning(t *testing.T) {
	p := testPlan(t)
	always := []string{label.Sandbox, label.Role, label.Created, label.MadeBy}
	for name, c := range map[string]struct {
		labels map[string]string
		want   []string
	}{
		"of anything":              {label.InSandbox("0123456789ab", plan.RoleScratch), always},
		"of a sandbox's object":    {label.ForSandbox(p, plan.RoleSidecar), append([]string{label.Spec}, always...)},
		"of what belongs to a job": {label.ForClaim(p, plan.RoleJob), append([]string{label.Job, label.Owner, label.Deadline, label.Project, label.TimesOut}, always...)},
	} {
		for _, key := range c.want {
			if c.labels[key] == "" {
				t.Errorf("%s: no %s in %v", name, key, c.labels)
			}
		}
		if len(c.labels) != len(c.want) {
			t.Errorf("%s: %v, want %v", name, c.labels, c.want)
		}
		for key := range c.labels {
			if !strings.HasPrefix(key, "gitlab-dind-executor.") {
				t.Errorf("%s is not ours", key)
			}
		}
		if _, err := time.Parse(time.RFC3339, c.labels[label.Created]); err != nil {
			t.Error(err)
		}
	}
	got := label.ForClaim(p, plan.RoleJob)
	if got[label.Job] != "gitlab.example.com/7" || got[label.Owner] != p.Claim.Owner || got[label.Deadline] != "2026-07-01T13:10:00Z" {
		t.Errorf("the claim is %v", got)
	}
}

func TestNamesOfASandboxesObjects(t *testing.T) {
	names := map[string]bool{}
	for _, n := range []string{
		label.NetworkName("ab"), label.ObjectName("ab", plan.RoleJob), label.ObjectName("ab", plan.RoleSidecar), label.ObjectName("ab", plan.RoleHelper),
		label.ObjectName("ab", plan.RoleBuilds), label.ObjectName("ab", plan.RoleData), label.ServiceName("ab", 0), label.ServiceName("ab", 1),
	} {
		if names[n] || !strings.HasPrefix(n, "dind-ab") {
			t.Errorf("%q twice, or not of this sandbox", n)
		}
		names[n] = true
	}
	if id := label.NewSandboxID(); len(id) != 12 || id == label.NewSandboxID() || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("sandbox id %q", id)
	}
}
