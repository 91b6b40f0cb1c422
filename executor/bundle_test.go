package executor

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/hostfile"
)

func TestWhereBundlesAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		dir  string
		env  payload.Environment
		want string
	}{
		"the settings' place":             {"/srv/x", payload.Environment{"HOME": "/h"}, "/srv/x"},
		"with the operator's log":         {"", payload.Environment{"HOME": "/h"}, "/h/.local/state/gitlab-dind-executor"},
		"nowhere where that has no place": {"", payload.Environment{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bundleDir(config.Bundles{Dir: c.dir}, c.env); got != c.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// No test of this package writes where the bundles and the log of the machine are.
func init() { thisHost = func() telemetry.Host { return telemetry.Host{LogsOwner: -1} } }

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
	pruneBundles(openDir(t, dir), now.Add(-time.Hour))
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
		if got, err := findBundles(openDir(t, dir), job); err != nil || !slices.Equal(got, []string{filepath.Base(file)}) {
			t.Errorf("%s: %q, %v", job, got, err)
		}
	}
	for _, job := range []string{"4", "", "../x", "*", "gitlab.example.com/"} {
		if got, err := findBundles(openDir(t, dir), job); err == nil {
			t.Errorf("%q finds %q", job, got)
		}
	}
}
