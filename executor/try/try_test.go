package try

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/fault"
)

func TestTheProjectOfARepositoryIsThatOfItsRemote(t *testing.T) {
	for origin, want := range map[string]string{
		"":                                       "local/my-app",
		"https://gitlab.example.com/group/a.git": "group/a",
		"https://gitlab.example.com:8443/group/sub/a": "group/sub/a",
		"git@gitlab.example.com:group/sub/a.git":      "group/sub/a",
		"ssh://git@gitlab.example.com:22/group/a.git": "group/a",
		"/srv/git/a.git":                             "local/my-app",
		"file:///srv/git/a.git":                      "local/my-app",
		"https://gitlab.example.com/../../etc/{a b}": "etc/-a-b-",
	} {
		f := facts{repository: forge.Repository{Top: "/home/me/my app", Origin: origin}}
		if got := f.project(); got != want {
			t.Errorf("%q is project %q, want %q", origin, got, want)
		}
	}
}

func TestPredefinedVariablesOfATry(t *testing.T) {
	f := facts{
		repository: forge.Repository{Top: "/app", Origin: "git@host:Group/App.git", Default: "main", Message: "Title\n\nText", Time: "2026-01-01T00:00:00Z"},
		sha:        strings.Repeat("ab", 20), ref: "Feature/One_2", file: ".gitlab-ci.yml", server: "http://172.17.0.1:4711",
	}
	got := map[string]string{}
	for _, v := range slices.Concat(f.plausible(), f.ofServer()) {
		got[v.Key] = v.Value
	}
	for key, want := range map[string]string{
		"CI": "true", "CI_COMMIT_SHORT_SHA": "abababab", "CI_COMMIT_REF_SLUG": "feature-one-2", "CI_COMMIT_BRANCH": "Feature/One_2",
		"CI_COMMIT_TITLE": "Title", "CI_COMMIT_DESCRIPTION": "\nText", "CI_PROJECT_PATH_SLUG": "group-app", "CI_PROJECT_NAME": "App",
		"CI_SERVER_HOST": "172.17.0.1", "CI_SERVER_PORT": "4711", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_REF_PROTECTED": "false",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	for key := range got {
		if strings.HasPrefix(key, "CI_REGISTRY") {
			t.Errorf("%s is set, and nobody gave it", key)
		}
	}
}

func TestWhatIsGivenWinsAndSecretsAreMasked(t *testing.T) {
	given, err := givenVariables(
		[]string{"CI_REGISTRY=registry.example.com", "CI_REGISTRY_USER=me", "CI_REGISTRY_PASSWORD", "GIT_DEPTH=0", "TAG=a=b"},
		map[string]string{"CI_REGISTRY_PASSWORD": "se$cret"},
	)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{given: given, facts: facts{repository: forge.Repository{Top: "/app"}, sha: strings.Repeat("ab", 20)}}
	p := local.Payload{GitInfo: local.GitInfo{Depth: cloneDepth}}
	r.addVariables(&p, pipeline.Job{Variables: []pipeline.Variable{{Key: "TAG", Value: "c"}, {Key: "GIT_DEPTH", Value: "7"}}})
	last := map[string]local.Variable{}
	for _, v := range p.Variables {
		last[v.Key] = v
	}
	if v := last["TAG"]; v.Value != "a=b" || v.Masked || v.Public {
		t.Errorf("TAG is %+v", v)
	}
	if v := last["CI_REGISTRY_PASSWORD"]; v.Value != "se$cret" || !v.Masked || !v.Raw || v.Public {
		t.Errorf("the password is masked: %v, raw: %v, public: %v", v.Masked, v.Raw, v.Public)
	}
	if p.GitInfo.Depth != 0 {
		t.Errorf("the depth is %d", p.GitInfo.Depth)
	}
	if len(p.Credentials) != 1 || p.Credentials[0].URL != "registry.example.com" || p.Credentials[0].Username != "me" {
		t.Errorf("there are %d credentials", len(p.Credentials))
	}
}

func TestAJobThatIsAskedForRunsAndCounts(t *testing.T) {
	p := pipeline.Pipeline{Jobs: []pipeline.Job{{Name: "a"}, {Name: "b", When: "manual", AllowFailure: true}, {Name: "c", When: "never"}}}
	all, err := choose(p, nil)
	if err != nil || len(all) != 3 {
		t.Errorf("%v, %v", all, err)
	}
	chosen, err := choose(p, []string{"c", "b"})
	if err != nil || len(chosen) != 2 || chosen[0].Name != "b" || chosen[1].Name != "c" {
		t.Fatalf("%v, %v", chosen, err)
	}
	for _, j := range chosen {
		if runs, _, why := p.Due(j, nil); !runs || j.AllowFailure {
			t.Errorf("%s runs: %v (%s), may fail: %v", j.Name, runs, why, j.AllowFailure)
		}
	}
	if _, err := choose(p, []string{"d"}); err == nil {
		t.Error("a job that is not there is taken")
	}
}

func TestAJobThatIsAskedForWaitsForOthersThatAre(t *testing.T) {
	p := pipeline.Pipeline{Stages: []string{"one", "two"}, Jobs: []pipeline.Job{
		{Name: "build", Stage: "one", When: "on_success"},
		{Name: "push", Stage: "two", When: "manual"},
		{Name: "tidy", Stage: "two", When: "always"},
		{Name: "report", Stage: "two", When: "on_failure"},
		{Name: "deploy", Stage: "two", When: "never", Needs: []pipeline.Need{{Job: "push"}}},
	}}
	chosen, err := choose(p, []string{"build", "push", "tidy", "report", "deploy"})
	if err != nil {
		t.Fatal(err)
	}
	for build, want := range map[pipeline.Outcome]string{
		pipeline.Succeeded: "push tidy report deploy",
		pipeline.Failed:    "tidy report",
	} {
		outcomes := map[string]pipeline.Outcome{"build": build}
		var ran []string
		for _, j := range chosen[1:] {
			runs, otherwise, _ := p.Due(j, outcomes)
			outcomes[j.Name] = otherwise
			if runs {
				ran = append(ran, j.Name)
				outcomes[j.Name] = pipeline.Succeeded
			}
		}
		if got := strings.Join(ran, " "); got != want {
			t.Errorf("after build, which is %s: %q, want %q", build, got, want)
		}
	}
}

func TestAJobsEndIsJudgedByWhatItMayFailWith(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		job  pipeline.Job
		res  local.Result
		want pipeline.Outcome
	}{
		"success":                {pipeline.Job{}, local.Result{State: local.Success}, pipeline.Succeeded},
		"failure":                {pipeline.Job{}, local.Result{State: local.Failed, ExitCode: 1}, pipeline.Failed},
		"failure, allowed":       {pipeline.Job{AllowFailure: true}, local.Result{State: local.Failed, ExitCode: 1}, pipeline.Allowed},
		"a code that is allowed": {pipeline.Job{AllowFailure: true, AllowExitCodes: []int{3, 42}}, local.Result{State: local.Failed, ExitCode: 42}, pipeline.Allowed},
		"one that is not":        {pipeline.Job{AllowFailure: true, AllowExitCodes: []int{3}}, local.Result{State: local.Failed, ExitCode: 1}, pipeline.Failed},
		"time's up":              {pipeline.Job{}, local.Result{State: local.TimedOut}, pipeline.Failed},
		"time's up, allowed":     {pipeline.Job{AllowFailure: true}, local.Result{State: local.TimedOut}, pipeline.Allowed},
		"time's up is no code":   {pipeline.Job{AllowFailure: true, AllowExitCodes: []int{0, 3}}, local.Result{State: local.TimedOut}, pipeline.Failed},
		"the host's fault":       {pipeline.Job{AllowFailure: true}, local.Result{State: local.SystemFailure}, pipeline.Failed},
	} {
		c.res.Started, c.res.Finished = now, now.Add(time.Second)
		if got := ended(c.job, c.res); got.outcome != c.want || got.system != (c.res.State == local.SystemFailure) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A hint is about the failure. An engine's restart in a job says nothing against the image
// of the helper.
func TestAHintNamesTheHelperOnlyWhereItFailed(t *testing.T) {
	phase := func(name string, code int) local.Phase {
		return local.Phase{Name: name, Kind: local.Run, ExitCode: code}
	}
	for name, c := range map[string]struct {
		phases []local.Phase
		want   bool
	}{
		"the engine restarted in the script": {[]local.Phase{phase("prepare_script", 0), phase("get_sources", 0), phase("build_script", 2)}, false},
		"the engine restarted in the clone":  {[]local.Phase{phase("prepare_script", 0), phase("get_sources", 2)}, false},
		"the sandbox could not be made":      {[]local.Phase{{Name: "prepare", Kind: local.Prepare, ExitCode: 2}}, false},
		"a hook was killed":                  {[]local.Phase{phase("prepare_script", -1)}, false},
		"the helper went with the engine":    {[]local.Phase{phase("prepare_script", 2)}, false},
		"the helper cannot run a script":     {[]local.Phase{phase("prepare_script", 1)}, true},
	} {
		res := local.Result{State: local.SystemFailure, Phases: c.phases}
		if got := ended(pipeline.Job{}, res).hint; strings.Contains(got, "helper.image") != c.want || got == "" {
			t.Errorf("%s: hint %q", name, got)
		}
		if scriptFailed(res, "get_sources") {
			t.Errorf("%s: the firewall is blamed", name)
		}
	}
}

func TestTheLogIsShownLineByLine(t *testing.T) {
	for name, tt := range map[string]struct {
		colour bool
		want   string
	}{
		"for a terminal": {true, "\x1b[0KPreparing\x1b[0;m\n\x1b[32;1m$ docker login\x1b[0;m\nend"},
		"for a file":     {false, "Preparing\n$ docker login\nend"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			l := &jobLog{out: &out, colour: tt.colour}
			for _, part := range []string{"\x1b[0KPrep", "aring\x1b[0;m\n", "\x1b[32;1m$ docker login\x1b", "[0;m\nend"} {
				if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatalf("wrote %d of %d: %v", n, len(part), err)
				}
			}
			l.flush()
			if out.String() != tt.want || l.firstLine.IsZero() {
				t.Errorf("it shows %q, the script's first line as of %v", out.String(), l.firstLine)
			}
		})
	}
}

// A run without a job is a success only where GitLab runs none either.
func TestARunWithoutAJobIsNoSuccessWhereGitLabMightRunOne(t *testing.T) {
	for name, c := range map[string]struct {
		jobs []pipeline.Job
		ran  bool
		want string
	}{
		"rules leave all out":      {[]pipeline.Job{{Name: "a", When: "never"}, {Name: "b", When: "manual"}}, false, ""},
		"one is not known":         {[]pipeline.Job{{Name: "a", When: "never", Maybe: true}}, false, "no job has run, and GitLab might run one"},
		"one cannot run here":      {[]pipeline.Job{{Name: "a", When: "never", Cannot: true}}, false, "no job has run, and GitLab might run one"},
		"another one ran":          {[]pipeline.Job{{Name: "a", When: "never", Maybe: true}, {Name: "b"}}, true, ""},
		"and what is said of them": {[]pipeline.Job{{Name: "a", When: "never", Maybe: true}, {Name: "c", When: "never", Maybe: true, Cannot: true}}, false, "no job"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			r := &run{Host: Host{Stdout: &out}, pipeline: pipeline.Pipeline{Jobs: c.jobs}, ids: map[string]int64{}}
			for _, j := range c.jobs {
				r.done = append(r.done, jobEnd{name: j.Name, outcome: pipeline.Left, text: "why"})
			}
			if c.ran {
				r.ids["b"] = 1
			}
			r.summary(len(c.jobs))
			stop := &interruption{first: t.Context()}
			err := r.verdict(stop)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || !fault.IsOfJob(err)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if says := strings.Contains(out.String(), "not run, as it is not known whether GitLab runs it: a (--job NAME runs it)"); says != c.jobs[0].Maybe {
				t.Errorf("it says %q", out.String())
			}
		})
	}
}
