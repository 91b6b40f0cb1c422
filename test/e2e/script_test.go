package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// after adds an after_script to a job.
func after(p local.Payload, script ...string) local.Payload {
	p.Steps = append(p.Steps, local.Step{Name: "after_script", Script: script, Timeout: 60, When: "always", AllowFailure: true})
	return p
}

func TestScriptsExitCodeReachesTheRunner(t *testing.T) {
	p := after(world.Job(`echo before; exit 42; echo not reached`), `echo "after a $CI_JOB_STATUS script"; false`)
	runJob(t, p).failedWith(42).quietCleanup().says("before", "after a failed script").saysNot("\nnot reached")
}

func TestAfterScriptRunsInTheSameContainer(t *testing.T) {
	p := after(world.Job(`echo kept > /root/kept`, `docker pull -q $CI_REGISTRY/none || true`),
		`echo "file: $(cat /root/kept)"`, `docker version --format 'daemon: {{.Server.Os}}'`)
	r := runJob(t, p).succeeded().quietCleanup().says("file: kept", "daemon: linux")
	if n := strings.Count(r.log, "file: kept"); n != 1 {
		t.Fatalf("after_script's output is shown %d times", n)
	}
}

func TestLongOutputIsCompleteAndInOrder(t *testing.T) {
	const lines = 100_000
	p := world.Job(fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "line $i"; i=$((i+1)); done`, lines))
	r := runJob(t, p).succeeded()
	next := 0
	for line := range strings.SplitSeq(r.log, "\n") {
		if n, ok := strings.CutPrefix(line, "line "); ok {
			if n != fmt.Sprint(next) {
				t.Fatalf("line %q comes where line %d should", n, next)
			}
			next++
		}
	}
	if next != lines {
		t.Fatalf("%d lines arrived, want %d", next, lines)
	}
}

func TestEntrypointThatPrints(t *testing.T) {
	image := rig.DeriveWith(t, world.Engine, rig.ImageBusybox,
		[]rig.File{{Path: "/entry", Mode: 0o755, Content: "#!/bin/sh\nfor i in 1 2 3; do echo \"entry $i\"; echo \"err $i\" >&2; done\nprintf 'no line end: '\nexec \"$@\"\n"}},
		`ENTRYPOINT ["/entry"]`)
	p := after(images(world.Job(`echo script one`), image, rig.ImageDind), `echo script two`)
	r := runJob(t, p).succeeded().says("entry 1", "entry 3", "no line end: ", "script one", "entry 1", "entry 3", "script two")
	if n := strings.Count(r.log, "entry 1"); n != 2 {
		t.Fatalf("the ENTRYPOINT's output is shown %d times, want once a stage", n)
	}
	r.saysNot("shell is ready")
}

func TestEntrypointThatReadsStdin(t *testing.T) {
	image := rig.DeriveWith(t, world.Engine, rig.ImageBusybox,
		[]rig.File{{Path: "/entry", Mode: 0o755, Content: "#!/bin/sh\nread -r first\necho \"read: $first\"\nexec \"$@\"\n"}},
		`ENTRYPOINT ["/entry"]`)
	p := images(world.Job(`echo the script ran`), image, rig.ImageDind)
	runJob(t, p).succeeded().says("read: #!", "the script ran").saysNot("shell is ready")
}

func TestEntrypointThatExits(t *testing.T) {
	for _, code := range []int{0, 3} {
		t.Run(fmt.Sprintf("with code %d", code), func(t *testing.T) {
			image := rig.DeriveWith(t, world.Engine, rig.ImageBusybox,
				[]rig.File{{Path: "/entry", Mode: 0o755, Content: fmt.Sprintf("#!/bin/sh\necho nothing to do\nexit %d\n", code)}},
				`ENTRYPOINT ["/entry"]`)
			p := images(world.Job(`echo the script ran`), image, rig.ImageDind)
			r := runJob(t, p).says("nothing to do", fmt.Sprintf("error: the ENTRYPOINT of image %s ended with code %d", image, code), "hint: set the image's entrypoint")
			r.saysNot("\nthe script ran")
			if r.State != local.Failed {
				t.Fatalf("the job ended as %s, want failed", r.State)
			}
		})
	}
}

// Such a shell reads the end of its input at once and ends with success.
func TestEntrypointThatKeepsItsStdin(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	for _, line := range []string{`"$@" </dev/null`, `"$@" & wait`} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			image := rig.DeriveWith(t, world.Engine, rig.ImageBusybox,
				[]rig.File{{Path: "/entry", Mode: 0o755, Content: "#!/bin/sh\n" + line + "\n"}}, `ENTRYPOINT ["/entry"]`)
			p := images(world.Job(`echo the script ran`), image, rig.ImageDind)
			r := runJobUnchecked(t, p).says("error: the ENTRYPOINT of image "+image+" gave the shell no script to read", "hint: set the image's entrypoint")
			r.saysNot("\nthe script ran", "script has arrived")
			if r.State != local.Failed {
				t.Fatalf("the job ended as %s, want failed", r.State)
			}
		})
	}
}

func TestEntrypointIsReplaced(t *testing.T) {
	image := rig.Derive(t, world.Engine, rig.ImageBusybox, `ENTRYPOINT ["/bin/false"]`)
	p := images(world.Job(`echo the script ran`), image, rig.ImageDind)
	p.Image.Entrypoint = []string{""}
	runJob(t, p).succeeded().says("the script ran")
}

func TestImageWithoutAnyShell(t *testing.T) {
	image := rig.Derive(t, world.Engine, rig.ImageBusybox, `ENV PATH=/nowhere`)
	p := images(world.Job(`true`), image, rig.ImageDind)
	r := runJob(t, p).says("error: image "+image, "hint: a job's image needs bash or sh")
	if r.State != local.Failed {
		t.Fatalf("the job ended as %s, want failed", r.State)
	}
}

func TestSourcesAreWritableByAnotherUser(t *testing.T) {
	p := world.Job(`id -u`, `touch new README.md`, `docker version --format 'daemon: {{.Server.Os}}'`)
	p.Image.ExecutorOpts.Docker.User = "65534"
	runJob(t, p).succeeded().says("65534", "daemon: linux")
}

func TestCancelInTheMiddleOfABuild(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	p := after(world.Job(
		login,
		`printf "FROM $CI_REGISTRY/base/busybox\nRUN echo now-building && sleep 300\n" > slow`,
		`docker build --progress=plain -f slow .`,
	), `echo "after a $CI_JOB_STATUS job"`, `docker ps`)
	var log *buffer
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout) // the build takes longer, unless a signal ends it
	defer cancel()
	job, finish := startJob(ctx, t, p, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, " now-building\n")
	job.Cancel()
	r := finish(job.Wait()).says("after a canceled job", "CONTAINER ID").quietCleanup()
	if r.State != local.Canceled {
		t.Fatalf("the job ended as %s, want canceled", r.State)
	}
	script := slices.IndexFunc(r.Phases, func(ph local.Phase) bool { return ph.Name == "build_script" })
	if script < 0 || r.Phases[script].ExitCode < 0 {
		t.Fatalf("the script's hook did not end by itself, but was killed: %+v", r.Phases)
	}
}

func TestTimeoutEndsTheJob(t *testing.T) {
	p := after(world.Job(`echo started; sleep 300`), `echo not this`)
	p.RunnerInfo.Timeout = 8
	r := runJob(t, p).says("started").saysNot("\nnot this").quietCleanup()
	if r.State != local.TimedOut {
		t.Fatalf("the job ended as %s, want timed out", r.State)
	}
}
