package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gitlab-dind-executor/test/lab"
)

func TestAFailedScriptIsDiagnosed(t *testing.T) {
	settings, err := world.WriteSettings("no-ca.toml", "")
	if err != nil {
		t.Fatal(err)
	}
	withoutCA(t, settings)
	for name, c := range map[string]struct {
		script []string
		says   string
		hint   string
	}{
		"a registry whose CA is not known": {
			[]string{`docker pull $CI_REGISTRY/base/busybox`},
			"diagnosis: the certificate of " + world.Registry.Host + " is signed by a CA", `[registry."host:port"] ca_file`,
		},
		"a daemon in the wrong place": {
			[]string{`docker -H tcp://localhost:2375 version`},
			"diagnosis: no docker daemon answers at tcp://localhost:2375", "leave DOCKER_HOST and -H out",
		},
		"a name that nobody has": {
			[]string{`docker -H tcp://dockerr:2376 version`},
			"diagnosis: there is no host dockerr for this job", "services by their alias",
		},
	} {
		t.Run(name, func(t *testing.T) {
			runJob(t, world.Job(c.script...), withSettings(settings)).failedWith(1).says(c.says, "hint: ", c.hint)
		})
	}
}

func TestAPushWithoutALoginIsDiagnosed(t *testing.T) {
	runJob(t, world.Job(
		`printf 'FROM scratch\nCOPY README.md /\n' | docker build -t $CI_REGISTRY_IMAGE:none -f - .`,
		`docker push $CI_REGISTRY_IMAGE:none`,
	)).failedWith(1).says("diagnosis: the job is not logged in to the registry", "hint: log in before", "--password-stdin")
}

func TestAFailureOfTheScriptsOwnIsNotDiagnosed(t *testing.T) {
	// An earlier pull may fail, and another program's words are not docker's.
	runJob(t, world.Job(
		`docker pull $CI_REGISTRY/base/none:1 || true`,
		`echo "ERROR 1045 (28000): Access denied for user 'app'@'10.77.0.4' (using password: YES)"; exit 3`,
	)).failedWith(3).saysNot("diagnosis:")
}

func TestADeadSidecarIsDiagnosedAndExplained(t *testing.T) {
	state := t.TempDir()
	p := world.Job(login, `docker pull -q $CI_REGISTRY/base/busybox`,
		`docker run --pid=host $CI_REGISTRY/base/busybox kill -TERM 1 || true`,
		`while docker version >/dev/null 2>&1; do sleep 0.1; done; exit 1`,
	)
	lab.Set(&p, "PUBLIC", "a public value")
	runJob(t, p, withState(state)).failedWith(1).quietCleanup().
		says("diagnosis: the docker daemon of this job has ended by itself (exit code ", "hint: ", "Docker daemon: new, up in")

	explain := exec.CommandContext(t.Context(), world.Binary, "explain", strconv.FormatInt(p.ID, 10))
	explain.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
	out, err := explain.CombinedOutput()
	if err != nil {
		t.Fatalf("explain: %v\n%s", err, out)
	}
	for _, want := range []string{"of group/app", "sidecar", "exited with code ", "exited with code 1,", "API listen on", "last lines of the docker daemon"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("explain does not say %q:\n%s", want, out)
		}
	}
	picture := exec.CommandContext(t.Context(), world.Binary, "explain", strconv.FormatInt(p.ID, 10), "--html")
	picture.Env = append(os.Environ(), "XDG_STATE_HOME="+state)
	page, err := picture.CombinedOutput()
	for _, want := range []string{"<!DOCTYPE html>", "build_script", "until docker listened", "API listen on", "/-/jobs/" + strconv.FormatInt(p.ID, 10)} {
		if err != nil || !strings.Contains(string(page), want) {
			t.Errorf("its page does not say %q (%v):\n%s", want, err, page)
		}
	}
	out = append(out, page...)
	for _, secret := range []string{world.Registry.Password, world.Git.Token, "a public value"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("explain shows a variable's value:\n%s", out)
		}
	}
}

func TestEveryJobEndsWithWhatItUsed(t *testing.T) {
	state, others := t.TempDir(), foreign(t)
	runJob(t, world.Job(`docker version`), withState(state)).succeeded().says("Docker daemon: new, up in", "received ", " on disk", "peak memory ")
	whole(t, others, "a job")
	if kept, _ := filepath.Glob(filepath.Join(state, "*", "job-*")); len(kept) > 0 {
		t.Errorf("something is kept of a job that succeeded: %q", kept)
	}
}
