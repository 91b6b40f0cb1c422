package realrunner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/ends"
)

func TestWithoutARunnerItSaysWhatToDo(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("#!/bin/sh\necho another program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":            "no gitlab-runner is named",
		dir + "/none": "there is no gitlab-runner: ",
		other:         "is no gitlab-runner: it tells no version",
	} {
		_, _, err := Find(context.Background(), path, "test-runner")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), "make test-runner RUNNER=/usr/bin/gitlab-runner") {
			t.Errorf("%q: %v (%s)", path, err, fault.HintOf(err))
		}
	}
}

func TestARunnerIsFoundStartedAndEnded(t *testing.T) {
	dir := t.TempDir()
	runner := filepath.Join(dir, "runner")
	const program = `#!/bin/sh
[ "$1" = --version ] && { echo "Version:      18.6.6"; exit; }
trap 'echo told to end; exit' TERM
echo "$@"
while :; do sleep 0.1; done
`
	if err := os.WriteFile(runner, []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	found, version, err := Find(t.Context(), runner, "bench")
	if err != nil || version != "18.6.6" || filepath.Base(found) != "runner" {
		t.Fatalf("found %s %s (%v)", found, version, err)
	}
	p, err := Start(found, dir, "config.toml")
	if err != nil {
		t.Fatal(err)
	}
	ends.ByItself(t, func() {
		for !strings.Contains(p.Log(), "run --config config.toml") {
			select {
			case <-p.Ended():
				return
			default:
			}
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(p.Log(), "told to end") {
		t.Errorf("its log is %q", p.Log())
	}
}
