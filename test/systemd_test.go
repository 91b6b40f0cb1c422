package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The units are what systemd understands, where there is a systemd to ask, and
// start what there is.
func TestSystemdUnits(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "gitlab-dind-executor")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var units []string
	hooks, err := os.ReadFile("../executor/pool.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(hooks), `"/run/gitlab-dind-executor/pool.sock"`) {
		t.Error("the hooks look elsewhere than where the socket's unit listens")
	}
	for name, part := range map[string]string{
		"gitlab-dind-executor-gc.service":      "\nExecStart=/usr/local/bin/gitlab-dind-executor gc --caches\n",
		"gitlab-dind-executor-gc.timer":        "\nOnCalendar=hourly\n",
		"gitlab-dind-executor-pool.service":    "\nExecStart=/usr/local/bin/gitlab-dind-executor pool fill\n",
		"gitlab-dind-executor-pool@.service":   "\nStandardInput=socket\n",
		"gitlab-dind-executor-pool.socket":     "\nAccept=yes\n",
		"gitlab-dind-executor-prepull.service": "\nExecStart=/usr/local/bin/gitlab-dind-executor prepull\n",
		"gitlab-dind-executor-metrics.service": "\nExecStart=/usr/local/bin/gitlab-dind-executor metrics serve\n",
		"gitlab-dind-executor-prepull.timer":   "\nOnCalendar=*-*-* 04:00\n",
		"gitlab-dind-executor-seed.service":    "\nExecStart=/usr/local/bin/gitlab-dind-executor seed\n",
		"gitlab-dind-executor-seed.timer":      "\nOnCalendar=*-*-* 04:30\n",
	} {
		b, err := os.ReadFile(filepath.Join("../scripts/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), part) {
			t.Errorf("%s lacks %q", name, part)
		}
		if strings.HasSuffix(name, ".service") && !strings.Contains(string(b), "\nCapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE") {
			t.Errorf("%s cannot write to a log of the Runner's user", name)
		}
		if asksRegistries := strings.Contains(name, "prepull.service") || strings.Contains(name, "seed.service"); asksRegistries && !strings.Contains(string(b), "\nUser=root\n") {
			t.Errorf("%s has not the credentials that jobs have", name)
		}
		unit := filepath.Join(dir, name)
		if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(b), "/usr/local/bin/gitlab-dind-executor", program)), 0o600); err != nil {
			t.Fatal(err)
		}
		units = append(units, unit)
	}
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: the units were only read")
		return
	}
	if out, err := exec.Command(verify, append([]string{"verify"}, units...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
