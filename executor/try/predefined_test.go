package try

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

// predefined maps GitLab's predefined variables to the time when they are set.
func predefined(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.ReadFile("testdata/predefined.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for line := range strings.Lines(string(file)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] != "#" {
			list[f[0]] = f[1]
		}
	}
	if len(list) < 130 {
		t.Fatalf("%d names", len(list))
	}
	return list
}

// sample is a run of a project on a branch, with a job of each kind.
func sample(tag string) *run {
	return &run{
		facts: facts{
			repository: forge.Repository{
				Top: "/home/me/app", Origin: "https://git.example.com/Group/Sub/App.git", Branch: "Topic/É", Default: "main", Base: strings.Repeat("cd", 20),
				Message: "title\n\nmore", Author: "me <me@x>", Time: "2026-01-02T03:04:05+01:00", Tag: tag,
			},
			sha: strings.Repeat("ab", 20), ref: max(tag, "Topic/É"), file: ".gitlab-ci.yml", server: "http://172.17.0.1:999", token: "tok",
			user: user{"me", "Me", "me@x"}, created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		},
		pipeline: pipeline.Pipeline{Jobs: []pipeline.Job{{Name: "by hand", When: "manual"}}},
	}
}

func values(t *testing.T, r *run, j pipeline.Job) map[string]string {
	t.Helper()
	p := local.Payload{ID: 7}
	r.addVariables(&p, j)
	got := map[string]string{}
	for _, v := range p.Variables {
		if _, twice := got[v.Key]; twice {
			t.Errorf("%s is set twice", v.Key)
		}
		got[v.Key] = v.Value
	}
	return got
}

func TestAllPredefinedVariablesOfGitLabAreSetOrHaveAReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/try.md")
	if err != nil {
		t.Fatal(err)
	}
	runners, err := os.ReadFile("../local/predefined.go")
	if err != nil {
		t.Fatal(err)
	}
	environment := &pipeline.Environment{Name: "x", URL: "https://x", Action: "start"}
	plain, branch, tagged := values(t, sample(""), pipeline.Job{Name: "a"}), sample(""), values(t, sample("v1"), pipeline.Job{Name: "a"})
	branch.facts.repository.Base = ""
	onMain := values(t, branch, pipeline.Job{Name: "a"})
	deployed, byHand := values(t, sample(""), pipeline.Job{Name: "a", Environment: environment}), values(t, sample(""), pipeline.Job{Name: "by hand"})
	in := func(m map[string]string, name string) bool { _, ok := m[name]; return ok }
	list := predefined(t)
	for name, when := range list {
		var ok bool
		switch when {
		case "job":
			ok = in(plain, name) && in(tagged, name)
		case "runner":
			ok = strings.Contains(string(runners), `public("`+name+`"`) && !in(plain, name)
		case "branch":
			ok = in(plain, name) && !in(tagged, name)
		case "tag":
			ok = in(tagged, name) && !in(plain, name)
		case "other-branch":
			ok = in(plain, name) && !in(tagged, name) && !in(onMain, name)
		case "environment":
			ok = in(deployed, name) && !in(plain, name)
		case "manual":
			ok = in(byHand, name) && !in(plain, name)
		case "parallel":
			ok = !in(plain, name)
		case "no":
			ok = !in(plain, name) && !in(deployed, name) && strings.Contains(string(page), "`"+name+"`")
		}
		if !ok {
			t.Errorf("%s: the list says %q, and that is not so", name, when)
		}
	}
	for name := range deployed {
		if list[name] == "" {
			t.Errorf("%s is none of GitLab's", name)
		}
	}
}

func TestPredefinedVariablesArePlausible(t *testing.T) {
	got := values(t, sample(""), pipeline.Job{
		Name: "build: [amd64]", Stage: "test", Tags: []string{"a", `b"c`},
		Environment: &pipeline.Environment{Name: "review/$CI_COMMIT_REF_SLUG", URL: "https://$CI_ENVIRONMENT_SLUG.example.com", Action: "start"},
	})
	for key, want := range map[string]string{
		"CI_PROJECT_PATH": "Group/Sub/App", "CI_PROJECT_PATH_SLUG": "group-sub-app", "CI_PROJECT_NAMESPACE_SLUG": "group-sub",
		"CI_PROJECT_ROOT_NAMESPACE": "Group", "CI_PROJECT_URL": "http://172.17.0.1:999/Group/Sub/App",
		"CI_JOB_URL":      "http://172.17.0.1:999/Group/Sub/App/-/jobs/7",
		"CI_PIPELINE_URL": "http://172.17.0.1:999/Group/Sub/App/-/pipelines/1", "CI_PIPELINE_CREATED_AT": "2026-01-02T02:04:05Z",
		"CI_CONFIG_REF_URI":  "172.17.0.1:999/Group/Sub/App//.gitlab-ci.yml@refs/heads/Topic/É",
		"CI_COMMIT_REF_SLUG": "topic", "CI_COMMIT_TITLE": "title", "CI_COMMIT_DESCRIPTION": "\nmore", "CI_COMMIT_MESSAGE": "title\n\nmore\n",
		"CI_JOB_GROUP_NAME": "build", "CI_JOB_NAME_SLUG": "build---amd64", "CI_JOB_TAGS": `["a", "b\"c"]`,
		"CI_ENVIRONMENT_NAME": "review/topic", "CI_ENVIRONMENT_TIER": "development",
		"CI_ENVIRONMENT_SLUG": slugOfEnvironment("review/topic"),
		"CI_ENVIRONMENT_URL":  "https://" + slugOfEnvironment("review/topic") + ".example.com",
		"CI_PAGES_URL":        "http://Group.pages.example.com/Sub/App",
		"GITLAB_USER_LOGIN":   "me", "CI_SERVER_VERSION_MINOR": "6",
		"CI_TRACEPARENT": "00-00000000000000000000000000000001-0000000000000007-01",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

func TestThePipelineHasTheNameOfItsWorkflow(t *testing.T) {
	r := sample("")
	r.pipeline.Name = "for $CI_COMMIT_REF_SLUG"
	p := local.Payload{ID: 7}
	r.addVariables(&p, pipeline.Job{Name: "a"})
	last := map[string]string{}
	for _, v := range p.Variables {
		last[v.Key] = v.Value
	}
	if got := last["CI_PIPELINE_NAME"]; got != "for topic" {
		t.Errorf("it is %q", got)
	}
}

// Rules see no variable that GitLab knows only when a job runs, and no guess.
func TestRulesSeeWhatGitLabKnowsBeforeAJob(t *testing.T) {
	var names []string
	for _, v := range sample("").facts.known() {
		names = append(names, v.Key)
	}
	for _, name := range []string{"CI_JOB_ID", "CI_JOB_URL", "CI_JOB_STARTED_AT", "CI_PIPELINE_ID", "CI_PIPELINE_URL", "CI_PIPELINE_CREATED_AT", "CI_PAGES_URL", "CI_RUNNER_ID", "CI_JOB_TOKEN", "GITLAB_USER_LOGIN", "CI_PROJECT_ID", "CI_COMMIT_REF_PROTECTED"} {
		if slices.Contains(names, name) {
			t.Errorf("rules see %s", name)
		}
	}
	for _, name := range []string{"CI_COMMIT_BRANCH", "CI_DEFAULT_BRANCH", "CI_PIPELINE_SOURCE", "CI_PROJECT_PATH", "CI_COMMIT_TITLE"} {
		if !slices.Contains(names, name) {
			t.Errorf("rules do not see %s", name)
		}
	}
}

func TestWhoRunsIt(t *testing.T) {
	for name, c := range map[string]struct {
		repository forge.Repository
		env        map[string]string
		want       user
	}{
		"whom git knows":       {forge.Repository{UserName: "A B", UserEmail: "ab@x.org"}, map[string]string{"USER": "ab"}, user{"ab", "A B", "ab@x.org"}},
		"no name of a login":   {forge.Repository{UserName: "A B", UserEmail: "a/b c@x.org"}, nil, user{"a-b-c", "A B", "a/b c@x.org"}},
		"nobody in particular": {forge.Repository{}, nil, user{"try", "try", "try@localhost"}},
	} {
		if got := userOf(c.repository, c.env); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
