package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// settingsWith writes a settings file with the lab's lines and more.
func settingsWith(t *testing.T, more string) (file string) {
	t.Helper()
	file, err := world.WriteSettings(strings.ReplaceAll(t.Name(), "/", "-")+".toml", more)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// under runs a job with other settings than the lab's.
func under(settings string) func(*local.Runner) {
	return func(r *local.Runner) {
		for _, args := range []*[]string{&r.ConfigArgs, &r.PrepareArgs, &r.RunArgs, &r.CleanupArgs} {
			*args = []string{"--settings", settings, (*args)[len(*args)-1]}
		}
	}
}

// gcWith runs gc with flags and returns its output.
func gcWith(t *testing.T, flags ...string) string {
	t.Helper()
	out, err := exec.Command(world.Binary, append([]string{"--settings", world.Settings, "gc"}, flags...)...).CombinedOutput()
	if err != nil {
		t.Errorf("gc %s: %v\n%s", strings.Join(flags, " "), err, out)
	}
	t.Logf("gc %s: %s", strings.Join(flags, " "), out)
	return string(out)
}

func TestCacheIsForTheJobsOfItsScopeAlone(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	kept := under(settingsWith(t, "[cache]\nvolume = true\nlayers = \"off\"\n"))
	cache := []local.Cache{{Key: "default", Paths: []string{"vendor/"}, Policy: "pull-push", When: "on_success"}}

	p := world.Job(`mkdir vendor; echo "made by $CI_JOB_ID" > vendor/dep`)
	p.Cache = cache
	runJobUnchecked(t, p, kept).succeeded().quietCleanup().says("Failed to extract cache", "Created cache")

	p2 := images(world.Job(`cat vendor/dep`, `touch /cache/by-another-user && ls /cache`), rig.ImageBusybox, rig.ImageDind)
	p2.Cache, p2.Image.ExecutorOpts.Docker.User = cache, "65534"
	runJobUnchecked(t, p2, kept).succeeded().quietCleanup().
		says("Successfully extracted cache", "made by "+p.Variables[2].Value, "by-another-user")

	unprotected := false
	p3 := world.Job(`echo "in the cache:" $(ls -A /cache); ls vendor || echo none here; sleep 300`)
	p3.GitInfo.Protected, p3.Cache = &unprotected, cache
	var log *buffer
	job, finish := startJob(t.Context(), t, p3, kept, func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nnone here\n")
	said := gcWith(t, "--caches", "--older-than", "0s", "--dry-run")
	job.Cancel()
	r := finish(job.Wait()).says("Failed to extract cache", "in the cache:\n", "none here").quietCleanup()
	if r.State != local.Canceled {
		t.Fatalf("the job ended as %s, want canceled", r.State)
	}

	if !strings.Contains(said, "/42/protected") || strings.Contains(said, "/42/unprotected") || strings.Count(said, "\n") != 1 {
		t.Errorf("while a job has the other scope's cache gc said: %s", said)
	}
	if said := gcWith(t, "--caches"); said != "nothing to remove\n" {
		t.Errorf("caches of today are old: %s", said)
	}
	if said := gcWith(t, "--caches", "--older-than", "0s"); strings.Count(said, "removed cache dind-cache-") != 2 {
		t.Errorf("gc said: %s", said)
	}
}
