package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/telemetry"
)

// unitValues are the values of a key in a unit's file.
func unitValues(t *testing.T, name, key string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../scripts/systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// unitTimes are the values of a key as times. Without a value the result is otherwise alone,
// systemd's default.
func unitTimes(t *testing.T, name, key string, otherwise time.Duration) []time.Duration {
	t.Helper()
	var times []time.Duration
	for _, value := range unitValues(t, name, key) {
		d, err := time.ParseDuration(strings.Replace(value, "min", "m", 1))
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, d)
	}
	if len(times) == 0 {
		return []time.Duration{otherwise}
	}
	return times
}

// Leftovers of a hard reset go within two minutes of the boot, also on a host without a job.
// The timer begins within the first minute, and the removal has the second.
func TestWhatAResetLeavesGoesSoonAfterTheBoot(t *testing.T) {
	const timer, never = "gitlab-dind-executor-gc.timer", 24 * time.Hour
	var latest time.Duration
	for _, key := range []struct {
		name      string
		otherwise time.Duration
	}{{"OnBootSec", never}, {"RandomizedDelaySec", 0}, {"AccuracySec", time.Minute}} {
		latest += unitTimes(t, timer, key.name, key.otherwise)[0]
	}
	if latest > time.Minute {
		t.Errorf("after a boot the first sweep may begin as late as %v", latest)
	}
	if after := strings.Join(unitValues(t, "gitlab-dind-executor-gc.service", "After"), " "); !strings.Contains(after, "docker.service") {
		t.Errorf("it does not wait for the engine, but for %q", after)
	}
}

// The units are valid for systemd, where systemd is installed, and start existing programs.
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
		"gitlab-dind-executor-drain.service":   "\nExecStart=/usr/local/bin/gitlab-dind-executor drain --on-notice --timeout 2h\n",
		"gitlab-dind-executor-gc.service":      "\nExecStart=/usr/local/bin/gitlab-dind-executor gc --caches\n",
		"gitlab-dind-executor-gc.timer":        "\nOnUnitActiveSec=1h\n",
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
		// Where [log] names no file, hooks write to this directory, and metrics come from it.
		if dir := unitValues(t, name, "LogsDirectory"); strings.HasSuffix(name, ".service") && (len(dir) != 1 || filepath.Join("/var/log", dir[0]) != telemetry.UnitLogs) {
			t.Errorf("%s keeps its logs in %q, the hooks in %s", name, dir, telemetry.UnitLogs)
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
