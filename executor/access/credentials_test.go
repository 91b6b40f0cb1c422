package access

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/payload"
)

// auths writes a Docker configuration with one user per host.
func auths(users map[string]string, more string) string {
	var entries []string
	for host, user := range users {
		entries = append(entries, fmt.Sprintf(`%q: {"username": %q, "password": "pw-%s"}`, host, user, user))
	}
	slices.Sort(entries)
	return `{"auths": {` + strings.Join(entries, ", ") + `}` + more + `}`
}

// collected calls Credentials with home as the Runner user's config.json, and returns "host
// user password" lines and the warnings.
func collected(t *testing.T, job, home string, helpers []string, payloads ...string) (got, warnings []string) {
	t.Helper()
	dir := t.TempDir()
	env := payload.Environment{"HOME": dir, "CUSTOM_ENV_DOCKER_AUTH_CONFIG": job}
	if home != "" {
		if err := os.MkdirAll(filepath.Join(dir, ".docker"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".docker", "config.json"), []byte(home), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var p payload.Job
	for i := 0; i+1 < len(payloads); i += 2 {
		p.Credentials = append(p.Credentials, struct {
			Type     string `json:"type"`
			URL      string `json:"url"`
			Username string `json:"username"`
			Password string `json:"password"`
		}{payloads[i], payloads[i+1], "payload", "pw-payload"})
	}
	all := Credentials(context.Background(), &p, env, []string{"docker.io", "registry.example.com"}, helpers,
		func(w string) { warnings = append(warnings, w) })
	for _, c := range all {
		got = append(got, strings.TrimSpace(c.Host+" "+c.Username+" "+c.Password.Reveal()+c.IdentityToken.Reveal()))
	}
	return got, warnings
}

// credentialHelper puts a program into PATH that answers for any registry.
func credentialHelper(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-"+name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestSourcesOfCredentialsCountInTheRunnersOrder(t *testing.T) {
	got, warnings := collected(t,
		auths(map[string]string{"registry.example.com": "job"}, ""),
		auths(map[string]string{"registry.example.com": "home", "quay.io": "home"}, ""), nil,
		"registry", "registry.example.com", "vault", "vault.example.com")
	want := []string{
		"registry.example.com job pw-job",
		"quay.io home pw-home", "registry.example.com home pw-home",
		"registry.example.com payload pw-payload",
	}
	if !slices.Equal(got, want) || len(warnings) > 0 {
		t.Errorf("got %q, warnings %q", got, warnings)
	}
}

func TestTheBase64FormOfAnAuthIsRead(t *testing.T) {
	got, _ := collected(t, `{"auths": {"registry.example.com": {"auth": "dXNlcjpwYXNz"}}}`, "", nil)
	if !slices.Equal(got, []string{"registry.example.com user pass"}) {
		t.Errorf("got %q", got)
	}
}

func TestABrokenSourceIsLeftOutWithAWarningThatShowsNothingOfIt(t *testing.T) {
	got, warnings := collected(t, `{"auths": {"registry.example.com": {"auth": "c2VjcmV0"}}}`, `secret, not JSON`, nil,
		"registry", "registry.example.com")
	if !slices.Equal(got, []string{"registry.example.com payload pw-payload"}) || len(warnings) != 2 {
		t.Fatalf("got %q, warnings %q", got, warnings)
	}
	for _, w := range warnings {
		if strings.Contains(w, "secret") || strings.Contains(w, "c2Vj") {
			t.Errorf("the warning shows the source: %s", w)
		}
	}
}

func TestTheRunnersUsersHelpersAreAsked(t *testing.T) {
	credentialHelper(t, "test", `read host; printf '{"ServerURL":"%s","Username":"helper","Secret":"for %s"}' "$host" "$host"`)
	got, warnings := collected(t, "", `{"credHelpers": {"registry.example.com": "test"}}`, nil)
	if !slices.Equal(got, []string{"registry.example.com helper for registry.example.com"}) || len(warnings) > 0 {
		t.Errorf("got %q, warnings %q", got, warnings)
	}
	got, _ = collected(t, "", `{"credsStore": "test"}`, nil)
	if !slices.Equal(got, []string{
		"docker.io helper for https://index.docker.io/v1/", "registry.example.com helper for registry.example.com",
	}) {
		t.Errorf("with a store: got %q", got)
	}
}

func TestAJobMayNameOnlyHelpersThatTheSettingsAllow(t *testing.T) {
	credentialHelper(t, "test", `read host; printf '{"ServerURL":"%s","Username":"helper","Secret":"s"}' "$host"`)
	job := `{"credHelpers": {"registry.example.com": "test"}}`
	got, warnings := collected(t, job, "", nil)
	if len(got) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0], "pull.credential_helpers") {
		t.Errorf("not allowed: got %q, warnings %q", got, warnings)
	}
	got, warnings = collected(t, job, "", []string{"test"})
	if !slices.Equal(got, []string{"registry.example.com helper s"}) || len(warnings) > 0 {
		t.Errorf("allowed: got %q, warnings %q", got, warnings)
	}
	got, warnings = collected(t, `{"credsStore": "../../bin/sh"}`, "", []string{"../../bin/sh"})
	if len(got) > 0 || len(warnings) > 0 {
		t.Errorf("a path: got %q, warnings %q", got, warnings)
	}
}

func TestAHelperThatFailsIsAWarning(t *testing.T) {
	credentialHelper(t, "test", `echo no credentials today; exit 1`)
	got, warnings := collected(t, "", `{"credsStore": "test"}`, nil)
	if len(got) > 0 || len(warnings) != 2 {
		t.Errorf("got %q, warnings %q", got, warnings)
	}
}

func TestRegistriesOfAJobAreThoseOfItsImages(t *testing.T) {
	s := config.Default()
	got := plan.Registries(s, plan.Job{
		Image:    plan.Image{Name: "registry.example.com:5050/a:1"},
		Services: []plan.Service{{Image: plan.Image{Name: "redis"}}, {Image: plan.Image{Name: "$NONE/x"}}},
	})
	if !slices.Equal(got, []string{"registry.example.com:5050", "docker.io", "registry.gitlab.com"}) {
		t.Errorf("got %q", got)
	}
}

// Images that the settings add for a job count as well: services of every job, and the
// images of the job's policy.
func TestRegistriesOfWhatTheSettingsAddAreAsked(t *testing.T) {
	s := config.Default()
	s.Service = []config.Service{{Name: "tools.example.com/proxy:2"}}
	s.Policies = []config.Policy{
		{Projects: []string{"group/**"}, Job: config.PolicyJob{Image: "images.example.com/job:1"}, Sidecar: config.PolicySidecar{Image: "images.example.com/docker:dind"}},
	}
	got := plan.Registries(s, plan.Job{Project: "group/app"})
	if !slices.Equal(got, []string{"images.example.com", "registry.gitlab.com", "tools.example.com"}) {
		t.Errorf("got %q", got)
	}
	if got := plan.Registries(s, plan.Job{Project: "other/app"}); !slices.Equal(got, []string{"docker.io", "registry.gitlab.com", "tools.example.com"}) {
		t.Errorf("of a job without that policy: %q", got)
	}
}
