package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// jobCase is a job with its expected end.
type jobCase struct {
	name    string
	payload func() local.Payload
	// cancelAt is a text in the log at which the job is cancelled.
	cancelAt string
	want     rig.JobEnd
	// says and saysNot are texts of the log.
	says, saysNot []string
}

// control matches colours and the markers of sections.
var control = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]|section_(start|end):[^\r]*\r")

// plain is a log without the sequences for a terminal. From Runner 17 on lines may begin with
// their time, which goes, too.
func plain(log string) string {
	log = control.ReplaceAllString(log, "")
	return stamp.ReplaceAllString(strings.ReplaceAll(log, "\r", ""), "")
}

var stamp = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT[0-9:.]+Z \d\d[OE][+ ]?`)

// judge returns the differences from the expected end.
func (c jobCase) judge(end rig.JobEnd, log string) (wrong []string) {
	if c.cancelAt != "" {
		end = rig.JobEnd{State: end.State} // the other fields differ between versions of the Runner
	}
	if end != c.want {
		wrong = append(wrong, fmt.Sprintf("it ended as %+v, want %+v", end, c.want))
	}
	for _, text := range c.says {
		if !strings.Contains(log, text) {
			wrong = append(wrong, fmt.Sprintf("the log has no %q", text))
		}
	}
	for _, text := range c.saysNot {
		if strings.Contains(log, text) {
			wrong = append(wrong, "the log shows a secret, or what should not be there")
		}
	}
	return wrong
}

// cases are the jobs, in the order in which they run.
func cases(t *trial) []jobCase {
	return slices.Concat(t.builds(), t.uploads(), t.cancelled())
}

var succeeded = rig.JobEnd{State: "success"}

func failed(code int) rig.JobEnd {
	return rig.JobEnd{State: "failed", FailureReason: "script_failure", ExitCode: code}
}

// payload makes a job's payload, changed if change is not nil.
func (t *trial) payload(change func(*local.Payload), script ...string) func() local.Payload {
	return func() local.Payload {
		p := t.lab.Job(script...)
		p.Token = fmt.Sprintf("token-of-job-%d", p.ID)
		p.Features = local.Features{TraceSections: true, FailureReasons: []string{"script_failure", "runner_system_failure", "job_execution_timeout", "job_canceled"}}
		lab.Set(&p, "CI_SERVER_URL", t.api.URL)
		if change != nil {
			change(&p)
		}
		return p
	}
}

func after(p *local.Payload) {
	p.Steps = append(p.Steps, local.Step{Name: "after_script", Script: []string{`echo "after $CI_JOB_STATUS"`}, Timeout: 60, When: "always", AllowFailure: true})
}

func cached(p *local.Payload) {
	p.Cache = []local.Cache{{Key: "one", Paths: []string{"kept/"}, Policy: "pull-push", When: "on_success"}}
}

// builds are jobs that build and push, or fail, each with its expected end.
func (t *trial) builds() []jobCase {
	secrets := []string{t.lab.Registry.Password, t.lab.Git.Token}
	return []jobCase{
		{
			name: "build, tag and push", want: succeeded, saysNot: secrets,
			payload: t.payload(
				nil,
				lab.Login,
				`docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA .`,
				`docker push $CI_REGISTRY_IMAGE:$CI_COMMIT_SHORT_SHA`,
				`echo "the password is $CI_REGISTRY_PASSWORD"`,
			),
			says: []string{"Login Succeeded", "tests passed", ": digest: sha256:", "the password is [MASKED]", "Job succeeded"},
		},
		{
			name: "neither image nor service", want: succeeded,
			payload: t.payload(
				func(p *local.Payload) { p.Image, p.Services = local.Image{}, nil },
				lab.Login,
				`docker build -t app .`, `docker run --rm -v "$CI_PROJECT_DIR:/src" app ls /src/Dockerfile`,
			),
			says: []string{"/src/Dockerfile"},
		},
		{
			name: "port 2375", want: succeeded,
			payload: t.payload(func(p *local.Payload) {
				lab.Set(p, "DOCKER_HOST", "tcp://docker:2375")
				lab.Set(p, "DOCKER_TLS_CERTDIR", "")
			}, `docker info`),
			says: []string{"warning: the docker daemon of this job listens without TLS", "Storage Driver:"},
		},
		{
			name: "a file variable", want: succeeded,
			payload: t.payload(func(p *local.Payload) {
				p.Variables = append(p.Variables, local.Variable{Key: "NOTES", Value: "in a file", File: true})
			}, `echo "notes: $(cat $NOTES)"`),
			says: []string{"notes: in a file"},
		},
		{
			name: "a script that fails", want: failed(42),
			payload: t.payload(after, `exit 42`), says: []string{"after failed", "exit status 42"},
		},
		{
			name: "an image that is not there", want: failed(1),
			payload: t.payload(func(p *local.Payload) { p.Image.Name = t.lab.Registry.LocalHost + "/group/none:1" }, `true`),
			says:    []string{"error: pulling image ", "hint: check the image's name and tag"},
		},
	}
}

// uploads are jobs that leave artifacts and caches to the next.
func (t *trial) uploads() []jobCase {
	var uploader int64
	return []jobCase{
		{
			name: "artifacts, uploaded", want: succeeded,
			payload: t.payload(func(p *local.Payload) {
				uploader = p.ID
				p.Artifacts = []local.Artifact{{Name: "out", Paths: []string{"out/"}, When: "on_success", Type: "archive", Format: "zip", ExpireIn: "1 day"}}
			}, `mkdir out; echo "made by $CI_JOB_ID" > out/file`),
			says: []string{"201 Created"}, saysNot: []string{"Missing gitlab-runner"},
		},
		{
			name: "artifacts, downloaded", want: succeeded,
			payload: t.payload(func(p *local.Payload) {
				p.Dependencies = []local.Dependency{{ID: uploader, Token: fmt.Sprintf("token-of-job-%d", uploader), Name: "before", ArtifactsFile: local.ArtifactsFile{Filename: "out.zip", Size: 1}}}
			}, `cat out/file`),
			says: []string{"made by "}, saysNot: []string{"Missing gitlab-runner"},
		},
		{
			name: "a cache, saved", want: succeeded,
			payload: t.payload(cached, `mkdir kept; echo "from the first" > kept/file`), says: []string{"Created cache"},
		},
		{
			name: "a cache, found", want: succeeded,
			payload: t.payload(cached, `cat kept/file`), says: []string{"Successfully extracted cache", "from the first"},
		},
	}
}

// cancelled is a job that is cancelled.
func (t *trial) cancelled() []jobCase {
	return []jobCase{
		{
			name: "a job that is cancelled", cancelAt: "it began",
			want:    rig.JobEnd{State: "failed"},
			payload: t.payload(after, `echo "it ""began"; sleep 600`), says: []string{"after canceled"},
		},
	}
}
