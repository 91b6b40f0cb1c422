package payload

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/fault"
)

// parse reads a payload from text.
func parse(t *testing.T, text string) (*Job, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Read(file)
}

func mustParse(t *testing.T, text string) *Job {
	t.Helper()
	p, err := parse(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// least is the smallest valid payload, with further fields.
func least(fields string) string {
	return `{"id": 1000, "job_info": {"project_id": 42}, "git_info": {"repo_url": "https://t:p@gitlab.example.com/g/a.git", "protected": false}, ` + fields + `"token": ""}`
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
		"a user that is neither":        {least(`"image": {"name": "a", "executor_opts": {"docker": {"user": [1]}}}, `), "broken"},
		"a service that is only a name": {least(`"services": ["redis:7"], `), "broken"},
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
			_, err := Read(path)
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
	if _, err := Read(file); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("error %v", err)
	}
}

func TestAJobWithStepsIsUnfit(t *testing.T) {
	for run, unfit := range map[string]bool{
		`null`: false, `""`: false, `[]`: false, `"[]"`: false,
		`"[{\"name\": \"a\", \"step\": \"./a\"}]"`: true, `[{"name": "a", "step": "./a"}]`: true, `{"of": "a later Runner"}`: true,
	} {
		err := mustParse(t, least(`"run": `+run+`, `)).Unfit()
		if (err != nil) != unfit || err != nil && (!fault.IsOfJob(err) || fault.HintOf(err) == "") {
			t.Errorf("%s: %v, of job %t, hint %q", run, err, fault.IsOfJob(err), fault.HintOf(err))
		}
	}
	if err := mustParse(t, least("")).Unfit(); err != nil {
		t.Errorf("a job without run: %v", err)
	}
}

// Fields of later releases, and unknown fields. The Runner of 18.7 and later writes inputs
// as an object, whatever GitLab sent.
func TestFieldsThatAreNotKnownAreNoFault(t *testing.T) {
	for name, field := range map[string]string{
		"job inputs, as GitLab sends them": `"inputs": [{"key": "tag", "value": {"type": "string", "content": "a", "sensitive": true}}], `,
		"job inputs, as the Runner does":   `"inputs": {}, `,
		"suspension":                       `"suspend_options": {"suspend_on_success": true, "environment_key": "k"}, `,
		"a policy":                         `"policy_options": {"execution_policy_job": true, "policy_name": "p", "policy_variables_override_allowed": false}, `,
		"hooks":                            `"hooks": [{"name": "pre_get_sources_script", "script": ["echo a"]}], `,
		"tracing":                          `"features": {"tracing": {"endpoint": "https://example.com"}, "trace_sections": true}, `,
		"a secret of another kind":         `"secrets": {"PASSWORD": {"gitlab_secrets_manager": {"server": {"url": "u"}}, "file": false}}, `,
		"a credential of another kind":     `"credentials": [{"type": "future", "url": "u", "scopes": ["a"]}], `,
		"of an image":                      `"image": {"name": "a", "ports": [{"number": 80}], "executor_opts": {"kubernetes": {"user": 1}, "docker": {"platform": "linux/amd64", "future": {}}}, "pull_policy": null}, `,
		"of a service":                     `"services": [{"name": "redis:7", "alias": null, "variables": null, "future": 1}], `,
		"of nobody yet":                    `"future": {"a": [1, {"b": null}]}, `,
	} {
		t.Run(name, func(t *testing.T) {
			p, err := parse(t, least(field))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Unfit(); err != nil {
				t.Error(err)
			}
			ForPlan(p, Environment{})
		})
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
			p := mustParse(t, least(`"runner_info": {"timeout": `+c.seconds+`}, `))
			if got := p.Timeout(); got != c.want {
				t.Errorf("%s s became %s, want %s", c.seconds, got, c.want)
			}
		})
	}
	if got := mustParse(t, least("")).Timeout(); got != 2*time.Hour {
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
			`{"id": 7, "job_info": {"project_id": 42}, "git_info": {"repo_url": "http://gitlab.example.com:8080/a.git", "protected": false}}`,
			"gitlab.example.com:8080/7", "gitlab.example.com:8080/42/unprotected",
		},
		"what does not say whether it is protected shares with nobody": {
			`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}}`, "0a1b/7", "0a1b/42/job-7",
		},
		"nor does null say it": {
			`{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}, "git_info": {"protected": null}}`, "0a1b/7", "0a1b/42/job-7",
		},
		"a job without a project shares with nobody": {
			`{"id": 7, "job_info": {"instance_uuid": "0a1b"}, "git_info": {"protected": true}}`, "0a1b/7", "0a1b/job-7/protected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustParse(t, c.text)
			if p.Key() != c.key || p.scope() != c.scope {
				t.Errorf("key %s, scope %s, want %s and %s", p.Key(), p.scope(), c.key, c.scope)
			}
			if strings.Contains(p.Key()+p.scope(), "secret") {
				t.Error("the token is in it")
			}
		})
	}
}

// The names of caches and layers follow from the scope, and the engine gives a name once.
// Two installations with the same scope would have the same cache.
func TestAnInstallationHasScopesOfItsOwn(t *testing.T) {
	p := mustParse(t, `{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}, "git_info": {"protected": true}}`)
	other := mustParse(t, `{"id": 7, "job_info": {"project_id": 42, "instance_uuid": "0a1b"}, "git_info": {"protected": false}}`)
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"one without a name": {nil, "0a1b/42/protected"},
		"one with a name":    {[]string{"GITLAB_DIND_EXECUTOR_INSTALLATION=trial"}, "0a1b/42/protected/trial"},
		"a pipeline's word":  {[]string{"CUSTOM_ENV_GITLAB_DIND_EXECUTOR_INSTALLATION=trial"}, "0a1b/42/protected"},
	} {
		job := ForPlan(p, NewEnvironment(c.env))
		if job.Scope != c.want || job.Key != "0a1b/7" {
			t.Errorf("%s: scope %s, key %s, want %s", name, job.Scope, job.Key, c.want)
		}
		if job := ForPlan(other, NewEnvironment(c.env)); job.Inherits != c.want {
			t.Errorf("%s: another ref inherits from %s, want %s", name, job.Inherits, c.want)
		}
	}
}

// testdata/refs.json holds GitLab's data about refs, each with its source.
func TestScopeByWhatGitLabSaysOfARef(t *testing.T) {
	text, err := os.ReadFile("testdata/refs.json")
	if err != nil {
		t.Fatal(err)
	}
	var shapes []struct {
		Name, Source, Scope string
		GitInfo             map[string]any `json:"git_info"`
	}
	if err := json.Unmarshal(text, &shapes); err != nil || len(shapes) == 0 {
		t.Fatalf("%d shapes, %v", len(shapes), err)
	}
	for _, s := range shapes {
		t.Run(s.Name, func(t *testing.T) {
			s.GitInfo["repo_url"] = "https://gitlab-ci-token:t@gitlab.example.com/g/a.git"
			b, err := json.Marshal(map[string]any{"id": 7, "job_info": map[string]any{"project_id": 42}, "git_info": s.GitInfo})
			if err != nil {
				t.Fatal(err)
			}
			p := mustParse(t, string(b))
			job := ForPlan(p, Environment{})
			if want := "gitlab.example.com/42/" + s.Scope; job.Scope != want || s.Source == "" {
				t.Errorf("scope %s, want %s", job.Scope, want)
			}
			inherits := ""
			if job.Shares() && s.Scope != "protected" {
				inherits = "gitlab.example.com/42/protected"
			}
			if job.Inherits != inherits {
				t.Errorf("it inherits from %q, want %q", job.Inherits, inherits)
			}
			if _, known := s.GitInfo["protected"]; job.Shares() != known {
				t.Errorf("shares with later jobs: %t, and GitLab tells of protection: %t", job.Shares(), known)
			}
		})
	}
}

// Variables that a pipeline may set do not change its scope.
func TestVariablesDoNotChangeTheScope(t *testing.T) {
	for _, protected := range []string{`"protected": false`, `"protected": true`, `"x": 0`} {
		git := `"git_info": {"repo_url": "https://gitlab.example.com/g/a.git", "ref": "main", ` + protected + `}`
		plain := mustParse(t, `{"id": 7, "job_info": {"project_id": 42}, `+git+`}`)
		lying := mustParse(t, `{"id": 7, "job_info": {"project_id": 42}, `+git+`, "variables": [
			{"key": "CI_COMMIT_REF_PROTECTED", "value": "true", "public": true}, {"key": "CI_COMMIT_REF_PROTECTED", "value": "false"},
			{"key": "CI_MERGE_REQUEST_IID", "value": "1"}, {"key": "CI_PIPELINE_SOURCE", "value": "push"}, {"key": "CI_SERVER_HOST", "value": "other.example.com"}]}`)
		env := Environment{"CUSTOM_ENV_CI_COMMIT_REF_PROTECTED": "true", "CUSTOM_ENV_CI_SERVER_HOST": "other.example.com"}
		a, b := ForPlan(plain, Environment{}), ForPlan(lying, env)
		if a.Scope != b.Scope || a.Protection != b.Protection || !slices.Equal(a.Instances, b.Instances) || a.Shares() != b.Shares() {
			t.Errorf("%s: %+v became %+v", protected, a, b)
		}
	}
}

func TestNamesOfAnInstance(t *testing.T) {
	for url, c := range map[string]struct {
		uuid string
		want []string
	}{
		"https://gitlab.example.com/g/a.git":             {"0a1b", []string{"gitlab.example.com", "0a1b"}},
		"https://u:p@GitLab.Example.com:443/g/a.git":     {"", []string{"gitlab.example.com"}},
		"http://gitlab.example.com:80/g/a.git":           {"", []string{"gitlab.example.com"}},
		"http://gitlab.example.com:443/g/a.git":          {"", []string{"gitlab.example.com:443"}},
		"https://gitlab.example.com:8443/gitlab/g/a.git": {"", []string{"gitlab.example.com:8443"}},
		"https://[2001:db8::1]:8443/g/a.git":             {"", []string{"[2001:db8::1]:8443"}},
		"ssh://git@gitlab.example.com:22/g/a.git":        {"0a1b", []string{"gitlab.example.com:22", "0a1b"}},
		"/srv/git/a.git": {"0a1b", []string{"0a1b"}},
		"https://gitlab.example.com.evil.org/g/a.git":       {"", []string{"gitlab.example.com.evil.org"}},
		"https://gitlab.example.com@evil.example.org/a.git": {"", []string{"evil.example.org"}},
	} {
		b, err := json.Marshal(map[string]any{"id": 7, "job_info": map[string]any{"project_id": 42, "instance_uuid": c.uuid}, "git_info": map[string]any{"repo_url": url}})
		if err != nil {
			t.Fatal(err)
		}
		if got := mustParse(t, string(b)).instances(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", url, got, c.want)
		}
	}
}

func TestFormsThatAPayloadMayTake(t *testing.T) {
	p := mustParse(t, least(`"future": {"x": [1]}, "image": {"name": "docker:latest", "new": true, "entrypoint": ["a", ""],
		"pull_policy": ["always", "if-not-present"], "executor_opts": {"docker": {"platform": "linux/arm64", "user": 1000, "dns": 1}, "kubernetes": {"user": "x"}}},
		"services": [
			{"name": "redis:7", "alias": "cache redis-main,third", "command": ["--x"], "executor_opts": {"docker": {"user": "redis:redis"}}},
			{"name": "postgres:16", "alias": "", "executor_opts": {"docker": {"user": null}}}
		], `))
	j := ForPlan(p, Environment{})
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
