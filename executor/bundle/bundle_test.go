package bundle

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/redact"
	"gitlab-dind-executor/hostfile"
)

func openDir(t *testing.T, name string) *hostfile.Dir {
	t.Helper()
	dir, err := hostfile.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func TestOldBundlesGo(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"job-1-aa.json": 2 * time.Hour, "job-2-bb.json": time.Minute, "other.json": 2 * time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	prune(openDir(t, dir), now.Add(-time.Hour))
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if want := []string{filepath.Join(dir, "job-2-bb.json"), filepath.Join(dir, "other.json")}; !slices.Equal(left, want) {
		t.Errorf("left: %q", left)
	}
}

func TestBundlesAreFoundByIDOrKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "job-42-0a1b2c3d.json")
	if err := os.WriteFile(file, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, job := range []string{"42", "gitlab.example.com/42"} {
		if got, err := ofJob(openDir(t, dir), job); err != nil || !slices.Equal(got, []string{filepath.Base(file)}) {
			t.Errorf("%s: %q, %v", job, got, err)
		}
	}
	for _, job := range []string{"4", "", "../x", "*", "gitlab.example.com/"} {
		if got, err := ofJob(openDir(t, dir), job); len(got) > 0 || err == nil && job != "4" {
			t.Errorf("%q finds %q", job, got)
		}
	}
}

func TestAReportIsRedactedThroughout(t *testing.T) {
	const key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5GkMmjPvSpkYHoAoGCCqGSM49\n-----END EC PRIVATE KEY-----\n"
	report := looking.Report{
		SidecarLog: []string{"one secret-token", "MHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5GkMmjPvSpkYHoAoGCCqGSM49"},
		Containers: []looking.ContainerReport{{Name: "secret-token", Image: "r/secret-token:1", Status: "secret-token", Error: "no secret-token"}},
	}
	redactReport(&report, redact.New([]string{"secret-token", key}))
	b, err := json.Marshal(report)
	if err != nil || strings.Contains(string(b), "secret-token") || strings.Contains(string(b), "MHcCAQ") {
		t.Errorf("%s (%v)", b, err)
	}
}
