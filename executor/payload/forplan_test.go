package payload

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
)

// value returns a variable as the job's plan sees it.
func value(j plan.Job, key string) (v plan.Variable, set bool) {
	for _, v := range j.Variables {
		if v.Key == key {
			return v, true
		}
	}
	return v, false
}

func TestTheLastOfDuplicatesWins(t *testing.T) {
	env := NewEnvironment([]string{
		"CUSTOM_ENV_MODE=first", "CUSTOM_ENV_MODE=last", "CUSTOM_ENV_CONF=content", "CUSTOM_ENV_NOTE=text",
		"CUSTOM_ENV_CI_PROJECT_DIR=/builds/g/a", "no equals sign", "CUSTOM_ENV_EMPTY=", "CUSTOM_ENV_EQ=a=b",
	})
	p := mustParse(t, least(`"variables": [
		{"key": "MODE", "value": "first", "public": true}, {"key": "MODE", "value": "last", "public": false},
		{"key": "CONF", "value": "x", "public": true}, {"key": "CONF", "value": "content", "file": true, "public": true},
		{"key": "NOTE", "value": "x", "file": true}, {"key": "NOTE", "value": "text", "public": true}], `))
	j := ForPlan(p, env)
	for key, want := range map[string]plan.Variable{
		"MODE":  {Key: "MODE", Value: "last"},
		"CONF":  {Key: "CONF", Value: "/builds/g/a.tmp/CONF", Public: true},
		"NOTE":  {Key: "NOTE", Value: "text", Public: true},
		"EMPTY": {Key: "EMPTY"},
		"EQ":    {Key: "EQ", Value: "a=b"},
	} {
		if got, _ := value(j, key); got != want {
			t.Errorf("%s: got %+v, want %+v", key, got, want)
		}
	}
}

// The Runner hands its flags on as variables of the job, those of its config.toml too.
func TestAJobAsksForAnInitProcess(t *testing.T) {
	p := mustParse(t, least(``))
	for value, want := range map[string]bool{"true": true, "1": true, "false": false, "": false, "sometimes": false} {
		if j := ForPlan(p, Environment{"CUSTOM_ENV_FF_USE_INIT_WITH_DOCKER_EXECUTOR": value}); j.Init != want {
			t.Errorf("%q is %v", value, j.Init)
		}
	}
	if ForPlan(p, Environment{"FF_USE_INIT_WITH_DOCKER_EXECUTOR": "true"}).Init {
		t.Error("a variable of the Runner's own environment is taken for the job's")
	}
}

func TestAFileVariableIsAPathInTheJob(t *testing.T) {
	p := mustParse(t, least(`"variables": [{"key": "KUBECONFIG", "value": "secret content", "file": true}, {"key": "GONE", "value": "x", "file": true}], `))
	j := ForPlan(p, Environment{"CUSTOM_ENV_KUBECONFIG": "secret content", "CUSTOM_ENV_CI_PROJECT_DIR": "/builds/g/a"})
	if got, _ := value(j, "KUBECONFIG"); got.Value != "/builds/g/a.tmp/KUBECONFIG" {
		t.Errorf("got %q", got.Value)
	}
	if got, set := value(j, "GONE"); set {
		t.Errorf("what the Runner did not hand on is there: %+v", got)
	}
}

// The Runner hands the values of secrets on beside the payload.
func TestASecretIsAFileUnlessItSaysOtherwise(t *testing.T) {
	p := mustParse(t, least(`"variables": [{"key": "TOKEN", "value": "x", "public": true}],
		"secrets": {"KEY": {"vault": {}}, "CERT": {"file": true}, "TOKEN": {"file": false}, "GONE": {}}, `))
	j := ForPlan(p, Environment{
		"CUSTOM_ENV_KEY": "k", "CUSTOM_ENV_CERT": "c", "CUSTOM_ENV_TOKEN": "t", "CUSTOM_ENV_CI_PROJECT_DIR": "/builds/g/a",
	})
	for key, want := range map[string]string{"KEY": "/builds/g/a.tmp/KEY", "CERT": "/builds/g/a.tmp/CERT", "TOKEN": "t"} {
		if got, _ := value(j, key); got.Value != want || got.Public {
			t.Errorf("%s: %q, public %t; want %q", key, got.Value, got.Public, want)
		}
	}
	if _, set := value(j, "GONE"); set {
		t.Error("a secret that the Runner did not fetch is there")
	}
}

func TestAJobOfNoProjectCachesNothing(t *testing.T) {
	p := mustParse(t, least(""))
	if got := ForPlan(p, Environment{}).CacheDir; got != "/cache" {
		t.Errorf("the cache of a project is at %q", got)
	}
	p.JobInfo.ProjectID = 0
	if got := ForPlan(p, Environment{}).CacheDir; got != "" {
		t.Errorf("a cache that no other job can have is at %q", got)
	}
}

func TestOnlyTheJobsOwnVariablesReachIt(t *testing.T) {
	j := ForPlan(mustParse(t, least("")), Environment{
		"CUSTOM_ENV_A": "1", "PATH": "/bin", "JOB_RESPONSE_FILE": "/tmp/x", "GITLAB_DIND_EXECUTOR_STARTED": "x",
		"CUSTOM_ENV_CI_JOB_SERVICES": "[]", "AWS_SECRET_ACCESS_KEY": "the runner's own",
	})
	if diff := cmp.Diff([]plan.Variable{{Key: "A", Value: "1"}}, j.Variables); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVariablesAreInOrderSoThatPlansCompare(t *testing.T) {
	j := ForPlan(mustParse(t, least("")), Environment{"CUSTOM_ENV_B": "", "CUSTOM_ENV_A": "", "CUSTOM_ENV_C": ""})
	var keys []string
	for _, v := range j.Variables {
		keys = append(keys, v.Key)
	}
	if !slices.Equal(keys, []string{"A", "B", "C"}) {
		t.Errorf("got %q", keys)
	}
}

func TestTheRunnersOwnVariablesArePublic(t *testing.T) {
	j := ForPlan(mustParse(t, least(`"variables": [{"key": "TOKEN", "value": "x", "public": false}], `)), Environment{
		"CUSTOM_ENV_CI_PROJECT_DIR": "/builds/g/a", "CUSTOM_ENV_TOKEN": "x", "CUSTOM_ENV_VAULT_SECRET": "not in the payload",
	})
	for key, want := range map[string]bool{"CI_PROJECT_DIR": true, "TOKEN": false, "VAULT_SECRET": false} {
		if got, _ := value(j, key); got.Public != want {
			t.Errorf("%s: public is %t", key, got.Public)
		}
	}
}

// Proxies are no secret to the docker daemon of the job. The same holds for the docker
// executor, where `environment` in config.toml is the place for them.
func TestProxiesThatTheRunnerSetsArePublic(t *testing.T) {
	j := ForPlan(mustParse(t, least(`"variables": [{"key": "HTTPS_PROXY", "value": "x", "public": false}], `)), Environment{
		"CUSTOM_ENV_HTTP_PROXY": "http://proxy.example.com", "CUSTOM_ENV_no_proxy": "example.com", "CUSTOM_ENV_HTTPS_PROXY": "x",
	})
	for key, want := range map[string]bool{"HTTP_PROXY": true, "no_proxy": true, "HTTPS_PROXY": false} {
		if got, _ := value(j, key); got.Public != want {
			t.Errorf("%s: public is %t", key, got.Public)
		}
	}
}

// The author of a pipeline can set CUSTOM_ENV_ variables.
func TestAPipelineCannotChangeIdentityOrPolicy(t *testing.T) {
	text := least(`"runner_info": {"timeout": 60}, "image": {"name": "golang:1"}, "services": [{"name": "redis:7"}],
		"credentials": [{"type": "registry", "url": "registry.example.com", "username": "u", "password": "p"}], `)
	honest := ForPlan(mustParse(t, text), Environment{"CUSTOM_ENV_CI_RUNNER_VERSION": "18.6.6"})
	forged := ForPlan(mustParse(t, text), Environment{
		"CUSTOM_ENV_CI_RUNNER_VERSION": "18.6.6",
		"CUSTOM_ENV_CI_PROJECT_ID":     "1", "CUSTOM_ENV_CI_JOB_ID": "1", "CUSTOM_ENV_CI_COMMIT_REF_PROTECTED": "true",
		"CUSTOM_ENV_CI_JOB_TIMEOUT": "999999", "CUSTOM_ENV_CI_JOB_IMAGE": "evil:1", "CUSTOM_ENV_CI_SERVER_URL": "https://evil.example.com",
		"CUSTOM_ENV_CI_JOB_SERVICES": `[{"name": "evil/docker:dind"}]`, "CUSTOM_ENV_CI_BUILDS_DIR": "/", "CUSTOM_ENV_CI_REPOSITORY_URL": "https://evil.example.com/a.git",
		"CUSTOM_ENV_JOB_RESPONSE_FILE": "/tmp/evil.json", "CUSTOM_ENV_GITLAB_DIND_EXECUTOR_STARTED": "2000-01-01T00:00:00Z",
		"CUSTOM_ENV_CI_REGISTRY_PASSWORD": "x",
	})
	secrets := cmp.Comparer(func(a, b plan.Secret) bool { return a.Reveal() == b.Reveal() })
	honest.Variables, forged.Variables = nil, nil // these are theirs
	if diff := cmp.Diff(honest, forged, secrets); diff != "" {
		t.Errorf("(-honest +forged):\n%s", diff)
	}
	if honest.Scope != "gitlab.example.com/42/unprotected" || honest.BuildsDir != "/builds" {
		t.Errorf("scope %s, builds in %s", honest.Scope, honest.BuildsDir)
	}
}

// The Runner's version is not in the payload. The version chooses no more than a tag of the
// admin's own image.
func TestARunnerVersionThatIsNoneIsPassedOver(t *testing.T) {
	for version, want := range map[string]string{
		"18.6.6": "18.6.6", "19.3.0": "19.3.0", "": "", "18.6.6~beta.1.g1234": "", "development version": "",
		"1.2.3/../../evil:1": "", "18.6.6\n": "", "v18.6.6": "", "../evil": "",
	} {
		j := ForPlan(mustParse(t, least("")), Environment{"CUSTOM_ENV_CI_RUNNER_VERSION": version})
		if j.RunnerVersion != want {
			t.Errorf("%q became %q", version, j.RunnerVersion)
		}
	}
}

func TestVariablesOfServicesAreExpanded(t *testing.T) {
	p := mustParse(t, least(`"services": [{"name": "postgres:16", "variables": [
		{"key": "PLAIN", "value": "a"}, {"key": "FROM_JOB", "value": "$DB-${DB}x"}, {"key": "DOLLAR", "value": "a$$b"},
		{"key": "NONE", "value": "a${NOWHERE}b"}, {"key": "RAW", "value": "$DB", "raw": true}, {"key": "DB", "value": "own"},
		{"key": "PRIVATE", "value": "$TOKEN"}, {"key": "FILE", "value": "$CONF"}]}],
		"variables": [{"key": "CONF", "file": true}], `))
	j := ForPlan(p, Environment{"CUSTOM_ENV_DB": "app", "CUSTOM_ENV_TOKEN": "secret", "CUSTOM_ENV_CONF": "text", "CUSTOM_ENV_CI_PROJECT_DIR": "/builds/g/a"})
	got := map[string]string{}
	for _, v := range j.Services[0].Variables {
		got[v.Key] = v.Value
	}
	want := map[string]string{
		"PLAIN": "a", "FROM_JOB": "own-ownx", "DOLLAR": "a$b", "NONE": "ab", "RAW": "$DB", "DB": "own",
		"PRIVATE": "secret", "FILE": "/builds/g/a.tmp/CONF",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUserAndPlatformAreExpanded(t *testing.T) {
	p := mustParse(t, least(`"image": {"name": "a", "executor_opts": {"docker": {"user": "$UID_OF_JOB", "platform": "linux/$ARCH"}}}, `))
	j := ForPlan(p, Environment{"CUSTOM_ENV_UID_OF_JOB": "1000", "CUSTOM_ENV_ARCH": "arm64"})
	if j.Image.User != "1000" || j.Image.Platform != "linux/arm64" {
		t.Errorf("user %q, platform %q", j.Image.User, j.Image.Platform)
	}
}

func TestAJobThatDeclaresNothingIsPlanned(t *testing.T) {
	p, err := plan.Build(config.Default(), ForPlan(mustParse(t, least("")), Environment{}), plan.Facts{Sandbox: "0123456789ab", Arch: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Job.Image.Name != "docker:latest" || p.Sidecar.Image.Name != "docker:dind" {
		t.Errorf("job image %s, sidecar image %s", p.Job.Image.Name, p.Sidecar.Image.Name)
	}
}
