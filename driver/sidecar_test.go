package driver

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

func TestADindImageThatCannotRunOnThisHostIsToldBeforeItStarts(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	e, d := fakeHost(t, p)
	e.AddImage(p.Sidecar.Image.Name, fakeengine.Image{Env: []string{"DOCKER_VERSION=19.03.15"}})
	_, err := d.Prepare(t.Context(), p, quiet)
	if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "docker 19.03 does not know cgroup v2") {
		t.Errorf("error %v, of job %t", err, fault.IsOfJob(err))
	}
}

func TestTheEnginesHostIsAskedOnlyWhereItMatters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		driver, version string
		asks            bool
		env             string
	}{
		"an ordinary job":         {"", "28.1.1", false, ""},
		"a driver for everywhere": {"vfs", "28.1.1", false, "DOCKER_DRIVER=vfs"},
		"a driver that must fit":  {"btrfs", "28.1.1", true, "DOCKER_DRIVER=btrfs"},
	} {
		t.Run(name, func(t *testing.T) {
			p := testPlan(t)
			p.Sidecar.StorageDriver = c.driver
			e, d := fakeHost(t, p)
			e.AddImage(p.Sidecar.Image.Name, fakeengine.Image{Env: []string{"DOCKER_VERSION=" + c.version}})
			if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
				t.Fatal(err)
			}
			if asked := slices.Contains(e.Calls(), "GET /info"); asked != c.asks {
				t.Errorf("asked %t", asked)
			}
			env, _ := e.Container(label.ObjectName(p.Sandbox, p.Sidecar.Role)).Config["Env"].([]any)
			if c.env != "" && !slices.Contains(env, any(c.env)) {
				t.Errorf("the sidecar's environment is %q", env)
			}
		})
	}
}

func TestAWarningAboutTheDaemonReachesTheJobLog(t *testing.T) {
	t.Parallel()
	p := testPlan(t)
	p.Sidecar.StorageDriver = "aufs"
	_, d := fakeHost(t, p)
	var said []string
	if _, err := d.Prepare(t.Context(), p, func(line string) {
		if strings.HasPrefix(line, "warning: ") {
			said = append(said, line)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.HasPrefix(said[0], "warning: DOCKER_DRIVER=aufs is ignored") {
		t.Errorf("said %q", said)
	}
}
