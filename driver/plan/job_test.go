package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestCredentialsGoToTheirRegistryAlone(t *testing.T) {
	hub := Credential{Host: "https://index.docker.io/v1/", Username: "hub"}
	own := Credential{Host: "registry.example.com", Username: "own"}
	port := Credential{Host: "registry.example.com:5050", Username: "port"}
	url := Credential{Host: "https://registry.example.com:5051/v2/", Username: "url"}
	plainHTTP := Credential{Host: "http://registry.example.com:5052", Username: "http"}
	all := []Credential{hub, own, port, url, plainHTTP, {Host: "registry.example.com", Username: "second"}, {Host: "registry.example.com/deep", Username: "deep"}}
	for name, c := range map[string]struct{ image, want string }{
		"the docker hub's short name":       {"redis:7", "hub"},
		"the docker hub's full name":        {"docker.io/library/redis:7", "hub"},
		"the docker hub's old name":         {"index.docker.io/library/redis:7", "hub"},
		"a registry without a port":         {"registry.example.com/group/app:1", "own"},
		"a registry with a port":            {"registry.example.com:5050/group/app:1", "port"},
		"a credential that is a URL":        {"registry.example.com:5051/group/app:1", "url"},
		"a credential of a plain URL":       {"registry.example.com:5052/group/app:1", "http"},
		"another port":                      {"registry.example.com:9999/group/app:1", ""},
		"another registry":                  {"quay.io/group/app:1", ""},
		"a registry that begins alike":      {"registry.example.com.evil.org/app:1", ""},
		"a path that looks like a registry": {"evil.org/registry.example.com/app:1", ""},
		"by digest":                         {"registry.example.com/app@sha256:" + strings.Repeat("a", 64), "own"},
		"a path below the registry":         {"registry.example.com/deep/er/app:1", "deep"},
		"a path that only begins alike":     {"registry.example.com/deeper/app:1", "own"},
		"the default port, named":           {"registry.example.com:443/app:1", "own"},
		"a user that is called like a host": {"registry/app:1", "hub"},
	} {
		t.Run(name, func(t *testing.T) {
			ref := fetched(t, config.Default().Pull, all, Image{Name: c.image})
			got := ""
			if ref.Auth != nil {
				got = ref.Auth.Username
			}
			if got != c.want {
				t.Errorf("%s gets the credential %q, want %q", c.image, got, c.want)
			}
		})
	}
	for _, host := range []string{"docker.io", "https://docker.io", "registry-1.docker.io", "index.docker.io"} {
		if ref := fetched(t, config.Default().Pull, []Credential{{Host: host}}, Image{Name: "redis"}); ref.Auth == nil {
			t.Errorf("a credential for %s is not the docker hub's", host)
		}
	}
}

// fetched returns the reference of an allowed image.
func fetched(t *testing.T, pull config.Pull, creds []Credential, i Image) ImageRef {
	t.Helper()
	pl := planner{s: config.Settings{Pull: pull}, job: Job{Credentials: creds}}
	ref, err := pl.image(i, "image", false)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestPullPoliciesThatArePossible(t *testing.T) {
	s := config.Default()
	s.Pull.AllowedPolicies = []string{config.PullNever}
	for name, c := range map[string]struct{ policy, want, hint string }{
		"one that is allowed": {config.PullNever, "", ""},
		"one that is not":     {config.PullAlways, `pull_policy "always" is not allowed`, "pull.allowed_policies"},
		"one that is none":    {"sometimes", `unknown pull_policy "sometimes"`, "always, if-not-present, never"},
	} {
		t.Run(name, func(t *testing.T) {
			pl := planner{s: s}
			_, err := pl.image(Image{Name: "a", PullPolicies: []string{c.policy}}, "image", false)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) || !fault.IsOfJob(err) {
				t.Fatalf("got %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

func TestPullPolicyOfThePipelineWins(t *testing.T) {
	pull := config.Pull{Policy: []string{config.PullAlways, config.PullIfNotPresent}, AllowedPolicies: config.PullPolicies}
	if got := fetched(t, pull, nil, Image{Name: "a"}).Policies; !slices.Equal(got, pull.Policy) {
		t.Errorf("without one: %q", got)
	}
	if got := fetched(t, pull, nil, Image{Name: "a", PullPolicies: []string{"never"}}).Policies; !slices.Equal(got, []string{"never"}) {
		t.Errorf("with one: %q", got)
	}
}

func TestNamesThatNoEngineWouldUnderstandAreAFaultOfTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		image    string
		services []Service
		where    string
		hint     string
	}{
		"a variable without a value":            {"$CI_REGISTRY/app:1", nil, "image: ", "a variable in the name has no value"},
		"a variable in braces":                  {"${CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX}/docker:1", nil, "image: ", "a variable in the name has no value"},
		"what an empty variable leaves":         {"/docker:20.10.16", nil, "image: ", "[registry/]name[:tag]"},
		"an empty tag":                          {"docker:", nil, "image: ", "[registry/]name[:tag]"},
		"capitals":                              {"Docker:latest", nil, "image: ", "[registry/]name[:tag]"},
		"a space":                               {"docker latest", nil, "image: ", "[registry/]name[:tag]"},
		"an image id, which names no one's":     {strings.Repeat("a", 64), nil, "image: ", "[registry/]name[:tag]"},
		"a service with a variable":             {"docker:latest", []Service{named("$DB:16")}, "services: ", "a variable in the name has no value"},
		"a service without a name":              {"docker:latest", []Service{{}}, "services: ", "[registry/]name[:tag]"},
		"a dind service with a variable":        {"docker:latest", []Service{named("$R/docker:dind", "docker")}, "services: ", "a variable in the name has no value"},
		"a dind service with an empty variable": {"docker:latest", []Service{named("/docker:dind", "docker")}, "services: ", "[registry/]name[:tag]"},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			job.Image.Name, job.Services = c.image, c.services
			_, err := Build(s, job, facts)
			if err == nil || !fault.IsOfJob(err) {
				t.Fatalf("error %v, of job %t", err, fault.IsOfJob(err))
			}
			if !strings.HasPrefix(err.Error(), c.where) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("error %q, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

func TestContainerOfTheJob(t *testing.T) {
	s, job, facts := example()
	job.Image = Image{Name: "golang:1", Entrypoint: []string{""}, User: "1000", Platform: "linux/arm64"}
	job.Variables = vars("CI=true", "DOCKER_HOST=tcp://docker:2376")
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	got := p.Job
	if got.User != "1000" || got.Image.Platform != "linux/arm64" || !slices.Equal(got.Entrypoint, []string{""}) || !got.Stdin {
		t.Errorf("not as declared: %+v", got)
	}
	if got.Early {
		t.Error("only images that the settings name start early")
	}
	if !slices.Contains(got.Environment, "CI=true") || !slices.Contains(got.Environment, "DOCKER_TLS_VERIFY=1") {
		t.Errorf("environment %q", got.Environment)
	}
	if n := strings.Count(strings.Join(got.Environment, "\n"), "DOCKER_HOST="); n != 1 {
		t.Errorf("DOCKER_HOST is there %d times in %q", n, got.Environment)
	}
	if got.Hostname != "dind-0123456789ab" || got.BuildsPath != "/builds" || p.Helper.BuildsPath != "/builds" || p.Sidecar.BuildsPath != "/builds" {
		t.Errorf("host name %s, builds at %s", got.Hostname, got.BuildsPath)
	}
}

func TestWhichJobImagesStartEarly(t *testing.T) {
	for image, want := range map[string]bool{
		"": true, "docker:latest": true, "docker:28-cli": true, "docker.io/library/docker:28": true,
		"golang:1": false, "registry.example.com/group/docker:1": false,
	} {
		s, job, facts := example()
		job.Image.Name = image
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if p.Job.Early != want {
			t.Errorf("%q: %t", image, p.Job.Early)
		}
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	const value = "hunter2-value"
	s, job, facts := example()
	job.Credentials = []Credential{{Host: "docker.io", Username: "me", Password: NewSecret(value)}}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if p.Helper.Image.Auth != nil || p.Job.Image.Auth == nil || p.Job.Image.Auth.Password.Reveal() != value {
		t.Fatal("the plan does not carry the password to where it belongs")
	}
	for what, v := range map[string]any{
		"the secret": NewSecret(value), "a pointer to it": new(Secret), "a credential": job.Credentials[0],
		"a pointer to a credential": &job.Credentials[0], "the job": job, "the plan": p, "an image": p.Job.Image,
		"a list": job.Credentials, "an error": fmt.Errorf("login: %v", job.Credentials[0]),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, value) || strings.Contains(got, fmt.Sprintf("%x", value)) {
				t.Errorf("%s of %s shows it: %s", verb, what, got)
			}
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), value) {
			t.Errorf("JSON of %s shows it", what)
		}
	}
}

func TestWordsAreSplitAtSpacesAndCommas(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, " ": nil, "a": {"a"}, "a b": {"a", "b"}, "a,b": {"a", "b"}, " a ,\tb,\n,c ": {"a", "b", "c"},
	} {
		if got := Words(in); !slices.Equal(got, want) {
			t.Errorf("%q became %q", in, got)
		}
	}
}
