//go:build host

package host

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// running is a job offered to the host's Runner.
type running struct {
	h host
	*rig.OfferedJob
}

// offer offers a job with this script to the host's Runner.
func (h host) offer(change func(*local.Payload), script ...string) running {
	h.Helper()
	*h.ids++
	protected := true
	p := local.Payload{
		ID: *h.ids, Token: fmt.Sprintf("token-of-job-%d", *h.ids), AllowGitFetch: true,
		JobInfo: local.JobInfo{Name: "build_image", Stage: "build", ProjectID: 42, ProjectName: "app"},
		GitInfo: local.GitInfo{
			RepoURL: "https://gitlab.example.test/group/app.git", RepoObjectFormat: "sha1", Ref: "main", RefType: "branch",
			SHA: strings.Repeat("1", 40), BeforeSHA: strings.Repeat("0", 40), Depth: 20, Protected: &protected,
		},
		RunnerInfo: local.RunnerInfo{Timeout: 3600},
		Steps:      []local.Step{{Name: "script", Script: script, Timeout: 3600, When: "on_success"}},
		Image:      local.Image{Name: "docker:cli"},
	}
	for key, value := range map[string]string{
		"CI": "true", "GIT_STRATEGY": "none", "CI_JOB_ID": fmt.Sprint(p.ID), "CI_PROJECT_ID": "42", "CI_PROJECT_PATH": "group/app",
		"CI_SERVER_URL": inside(h.api.URL), "CI_COMMIT_REF_NAME": "main",
	} {
		p.Variables = append(p.Variables, local.Variable{Key: key, Value: value, Public: true})
	}
	if change != nil {
		change(&p)
	}
	j, err := h.api.Offer(p.ID, p.Token, p)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() {
		if log, _ := j.Trace(); h.Failed() {
			h.Logf("job %d ended as %+v:\n%s", j.ID, j.End(), plain(log))
		}
	})
	return running{h, j}
}

// control matches colours and the markers of sections.
var control = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]|section_(start|end):[^\r]*\r")

func plain(log string) string {
	return strings.ReplaceAll(control.ReplaceAllString(log, ""), "\r", "")
}

// jobTime is the greatest time of a job on an ordinary machine.
const jobTime = 90 * time.Second

// saying waits until the job's log has a text.
func (j running) saying(text string) {
	j.h.Helper()
	late := time.After(j.h.bound(jobTime))
	for {
		log, more := j.Trace()
		if strings.Contains(plain(log), text) {
			return
		}
		select {
		case <-more:
		case <-j.Done():
			if log, _ = j.Trace(); strings.Contains(plain(log), text) {
				return
			}
			j.h.Fatalf("the job ended without %q", text)
		case <-late:
			j.h.Fatalf("for %s in vain: the job does not say %q", j.h.bound(jobTime), text)
		}
	}
}

// ends waits for the job's end and returns its log.
func (j running) ends(want rig.JobEnd) string {
	j.h.Helper()
	select {
	case <-j.Done():
	case <-time.After(j.h.bound(jobTime)):
		j.h.Fatalf("the job does not end within %s", j.h.bound(jobTime))
	}
	log, _ := j.Trace()
	if end := j.End(); end != want {
		j.h.Fatalf("the job ended as %+v, want %+v", end, want)
	}
	return plain(log)
}

// wrote asserts that a log has these parts, in this order.
func (h host) wrote(log string, parts ...string) {
	h.Helper()
	for _, p := range parts {
		_, after, found := strings.Cut(log, p)
		if !found {
			h.Errorf("the job log does not say %q (in this place)", p)
			return
		}
		log = after
	}
}

var succeeded = rig.JobEnd{State: "success"}

func failed(code int) rig.JobEnd {
	return rig.JobEnd{State: "failed", FailureReason: "script_failure", ExitCode: code}
}

var systemFailure = rig.JobEnd{State: "failed", FailureReason: "runner_system_failure"}
