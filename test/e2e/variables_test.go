package e2e

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// The ENTRYPOINT sees the container's own environment, before any script has exported a
// variable. This environment must be the docker executor's.
func TestContainersEnvironmentIsTheJobs(t *testing.T) {
	image := rig.DeriveWith(t, world.Engine, rig.ImageBusybox, []rig.File{{
		Path: "/entry", Mode: 0o755,
		Content: "#!/bin/sh\nenv | sed 's/^/entry: /'\necho \"entry reads: $(cat $NOTES)\"\nexec \"$@\"\n",
	}}, `ENTRYPOINT ["/entry"]`, `ENV OF_THE_IMAGE=kept`)
	p := images(world.Job(
		`echo "notes at $NOTES: $(cat $NOTES)"`,
		`echo "odd is [$ODD]"`,
	), image, rig.ImageDind)
	p.Image.ExecutorOpts.Docker.User = "65534"
	p.Variables = append(p.Variables, local.Variable{Key: "NOTES", Value: "for $CI_PROJECT_PATH", File: true})
	p.Variables = append(p.Variables, local.Variable{Key: "ODD", Value: `it's "$HOME" ` + "`x` \\", Raw: true})
	lab.Set(&p, "DEPLOY_TO", "first")
	lab.Set(&p, "DEPLOY_TO", "$CI_COMMIT_REF_NAME")
	r := runJob(t, after(p, `echo "after reads: $(cat $NOTES)"`)).succeeded().quietCleanup().says(
		"entry reads: for group/app",
		"notes at /builds/group/app.tmp/NOTES: for group/app",
		"odd is [it's \"$HOME\" `x` \\]",
		"after reads: for group/app",
	)

	env := map[string]string{}
	for line := range strings.Lines(r.log) {
		if kv, ok := strings.CutPrefix(line, "entry: "); ok {
			k, v, _ := strings.Cut(strings.TrimSuffix(kv, "\n"), "=")
			env[k] = v
		}
	}
	for key, want := range map[string]string{
		"NOTES": "/builds/group/app.tmp/NOTES", "DEPLOY_TO": "main", "OF_THE_IMAGE": "kept", "ODD": `it's "$HOME" ` + "`x` \\",
		"CI_PROJECT_DIR": "/builds/group/app", "CI_BUILDS_DIR": "/builds", "RUNNER_TEMP_PROJECT_DIR": "/builds/group/app.tmp",
		"CI_JOB_IMAGE": image, "CI_SERVER": "yes", "CI_JOB_STATUS": "running", "CI_JOB_TIMEOUT": "600",
		"CI_RUNNER_VERSION": "18.6.6", "CI_SHARED_ENVIRONMENT": "true", "FF_USE_FASTZIP": "false",
		"CI_REGISTRY_PASSWORD": "[MASKED]", "DOCKER_HOST": "tcp://docker:2376",
	} {
		if env[key] != want {
			t.Errorf("%s is %q, want %q", key, env[key], want)
		}
	}
	for _, v := range p.Variables {
		if _, set := env[v.Key]; !set {
			t.Errorf("%s is missing", v.Key)
		}
	}
	ours := []string{"JOB_RESPONSE_FILE", "BUILD_EXIT_CODE_FILE", "CI_JOB_SERVICES", "TMPDIR"}
	for key := range env {
		if strings.HasPrefix(key, "CUSTOM_ENV_") || strings.HasPrefix(key, "GITLAB_DIND_EXECUTOR_") || slices.Contains(ours, key) {
			t.Errorf("%s is the hooks' own", key)
		}
	}
}

func TestScriptTimeoutLeavesAfterScriptItsTime(t *testing.T) {
	p := after(world.Job(`echo started; sleep 300`, `echo never`), `echo "after a $CI_JOB_STATUS script"`)
	p.Artifacts = []local.Artifact{{Paths: []string{"README.md"}, When: "on_failure"}}
	lab.Set(&p, "RUNNER_SCRIPT_TIMEOUT", "1s")
	gitlab := gitlabOf(t)
	p = withToken(gitlab, p)
	r := runJob(t, p, uploadingTo(gitlab)).says("started", "after a timedout script").saysNot("\nnever").quietCleanup()
	if r.State != local.TimedOut || r.FailureReason != "job_execution_timeout" {
		t.Errorf("the job ended as %s, for %s", r.State, r.FailureReason)
	}
	if len(gitlab.Of(p.ID)) != 1 {
		t.Error("the stages for failures did not run")
	}
}
