package payload

import (
	"strings"
	"testing"
)

// The repository's address contains the job's token.
func TestThePageOfAJob(t *testing.T) {
	for address, want := range map[string]string{
		"https://gitlab-ci-token:hunter2@gitlab.example.com/group/app.git":    "https://gitlab.example.com/group/app/-/jobs/1000",
		"http://t:hunter2@gitlab.example.com:8080/root/group/app.git":         "http://gitlab.example.com:8080/root/group/app/-/jobs/1000",
		"https://gitlab.example.com/group/app.git?token=hunter2#hunter2":      "https://gitlab.example.com/group/app/-/jobs/1000",
		"https://gitlab.example.com/":                                         "",
		"javascript://gitlab.example.com/%0aalert(1).git":                     "",
		"ssh://git@gitlab.example.com/group/app.git":                          "",
		"https://t:hunter2@gitlab.example.com/a/%22%3E%3Cscript%3Ehunter.git": "https://gitlab.example.com/a/%22%3E%3Cscript%3Ehunter/-/jobs/1000",
		"https://t:hunter2@[::1]:443/group/app.git":                           "https://[::1]:443/group/app/-/jobs/1000",
		"no address at all": "",
	} {
		p := Job{ID: 1000}
		p.GitInfo.RepoURL = address
		if got := p.page(); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestWhatAPersonKnowsAJobBy(t *testing.T) {
	p := mustParse(t, `{"id": 7, "job_info": {"stage": "build"}, "git_info": {"repo_url": "https://t:p@gitlab.example.com/g/a.git", "ref": "main"}}`)
	if got := ForPlan(p, Environment{"CUSTOM_ENV_CI_JOB_STAGE": "forged", "CUSTOM_ENV_CI_JOB_URL": "https://evil.example.com"}).About; got.Ref != "main" || got.Stage != "build" || got.URL != "https://gitlab.example.com/g/a/-/jobs/7" {
		t.Errorf("%+v", got)
	}
	p.NoPage = true
	if got := p.About(); got.URL != "" || got.Ref != "main" {
		t.Errorf("no GitLab has the job, and its page is %q", got.URL)
	}
}
