package executor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/fault"
)

// parse reads a payload from text.
func parse(t *testing.T, text string) (*payload, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readPayload(file)
}

func mustParse(t *testing.T, text string) *payload {
	t.Helper()
	p, err := parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// with adds fields to the least payload there is.
func with(fields string) string {
	return `{"id": 1000, "job_info": {"project_id": 42}, "git_info": {"repo_url": "https://t:p@gitlab.example.com/g/a.git"}, ` + fields + `"token": ""}`
}

func TestAPayloadThatCannotBeUsedIsAFaultOfTheSystem(t *testing.T) {
	for name, c := range map[string]struct{ text, message string }{
		"empty":                         {"", "broken: EOF"},
		"cut off":                       {`{"id": 10`, "broken"},
		"no JSON":                       {"<html>", "broken"},
		"a list":                        {"[]", "broken"},
		"null":                          {"null", "no job id"},
		"an empty object":               {"{}", "no job id"},
		"no id":                         {`{"git_info": {"repo_url": "https://gitlab.example.com/a.git"}}`, "no job id"},
		"a negative id":                 {`{"id": -1, "git_info": {"repo_url": "https://gitlab.example.com/a.git"}}`, "no job id"},
		"an id in words":                {`{"id": "1000"}`, "broken"},
		"no instance":                   {`{"id": 1000}`, "names no GitLab instance"},
		"a repository without a host":   {`{"id": 1000, "git_info": {"repo_url": "/srv/git/a.git"}}`, "names no GitLab instance"},
		"a repository that is no URL":   {`{"id": 1000, "git_info": {"repo_url": "http://[::1"}}`, "names no GitLab instance"},
		"a user that is neither":        {with(`"image": {"name": "a", "executor_opts": {"docker": {"user": [1]}}}, `), "broken"},
		"a service that is only a name": {with(`"services": ["redis:7"], `), "broken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, c.text)
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Fatalf("error %v, want one with %q", err, c.message)
			}
			if fault.IsOfJob(err) || fault.HintOf(err) == "" {
				t.Errorf("of job %t, hint %q", fault.IsOfJob(err), fault.HintOf(err))
			}
		})
	}
}

func TestAMissingPayloadIsAFaultOfTheSystem(t *testing.T) {
	for name, path := range map[string]string{
		"not named": "", "not there": filepath.Join(t.TempDir(), "none.json"), "a directory": t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readPayload(path)
			if err == nil || fault.IsOfJob(err) || fault.HintOf(err) == "" {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

func TestAPayloadLargerThanAnyIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "response.json")
	if err := os.WriteFile(file, []byte(`{"id": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, maxPayload+1); err != nil { // sparse
		t.Fatal(err)
	}
	if _, err := readPayload(file); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

func TestTimeoutOfAJob(t *testing.T) {
	for name, c := range map[string]struct {
		seconds string
		want    time.Duration
	}{
		"an hour":                       {"3600", time.Hour},
		"none":                          {"0", 2 * time.Hour},
		"negative":                      {"-5", 2 * time.Hour},
		"a month":                       {"2678400", 31 * 24 * time.Hour},
		"more than a month":             {"2678401", 31 * 24 * time.Hour},
		"more than a duration can hold": {"18446744074", 31 * 24 * time.Hour},
		"the largest number":            {"9223372036854775807", 31 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, with(`"runner_info": {"timeout": `+c.seconds+`}, `))
			if got := p.timeout(); got != c.want {
				t.Errorf("%s s became %s, want %s", c.seconds, got, c.want)
			}
		})
	}
	if got := mustParse(t, with("")).timeout(); got != 2*time.Hour {
		t.Errorf("without runner_info: %s", got)
	}
}

func TestIdentityOfAJob(t *testing.T) {
	for name, c := range map[string]struct{ text, key, scope string }{
		"by the instance's UUID": {
			`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}, "git_info": {"repo_url": "https://gitlab.example.com/a.git", "protected": true}}`,
			"0a1b/7", "0a1b/42/protected",
		},
		"by the repository's host": {
			`{"id": 7, "job_info": {"project_id": 42}, "git_info": {"repo_url": "https://gitlab-ci-token:secret@gitlab.example.com/a.git", "protected": true}}`,
			"gitlab.example.com/7", "gitlab.example.com/42/protected",
		},
		"a host with a port is another instance": {
			`{"id": 7, "job_info": {"project_id": 42}, "git_info": {"repo_url": "http://gitlab.example.com:8080/a.git"}}`,
			"gitlab.example.com:8080/7", "gitlab.example.com:8080/42/unprotected",
		},
		"what does not say that it is protected is not": {
			`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}}`, "0a1b/7", "0a1b/42/unprotected",
		},
		"nor is null": {
			`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}, "git_info": {"protected": null}}`, "0a1b/7", "0a1b/42/unprotected",
		},
		"a job without a project shares with nobody": {
			`{"id": 7, "job_info": {"instance_uuid": "0a1b"}, "git_info": {"protected": true}}`, "0a1b/7", "0a1b/job-7/protected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, c.text)
			if p.key() != c.key || p.scope() != c.scope {
				t.Errorf("key %s, scope %s, want %s and %s", p.key(), p.scope(), c.key, c.scope)
			}
			if strings.Contains(p.key()+p.scope(), "secret") {
				t.Error("the token is in it")
			}
		})
	}
}

func TestFormsThatAPayloadMayTake(t *testing.T) {
	p := mustParse(t, with(`"future": {"x": [1]}, "image": {"name": "docker:latest", "new": true, "entrypoint": ["a", ""],
		"pull_policy": ["always", "if-not-present"], "executor_opts": {"docker": {"platform": "linux/arm64", "user": 1000, "dns": 1}, "kubernetes": {"user": "x"}}},
		"services": [
			{"name": "redis:7", "alias": "cache redis-main,third", "command": ["--x"], "executor_opts": {"docker": {"user": "redis:redis"}}},
			{"name": "postgres:16", "alias": "", "executor_opts": {"docker": {"user": null}}}
		], `))
	j := planJob(p, environment{})
	if j.Image.User != "1000" || j.Image.Platform != "linux/arm64" || !slices.Equal(j.Image.Entrypoint, []string{"a", ""}) ||
		!slices.Equal(j.Image.PullPolicies, []string{"always", "if-not-present"}) {
		t.Errorf("the image is %+v", j.Image)
	}
	if s := j.Services[0]; !slices.Equal(s.Aliases, []string{"cache", "redis-main", "third"}) || s.User != "redis:redis" || !slices.Equal(s.Command, []string{"--x"}) {
		t.Errorf("the first service is %+v", s)
	}
	if s := j.Services[1]; len(s.Aliases) != 0 || s.User != "" || s.Command != nil {
		t.Errorf("the second service is %+v", s)
	}
}
