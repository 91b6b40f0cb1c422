package payload

import (
	"slices"
	"testing"
)

func TestSecretsAreTheValuesOfAllThatIsNotPublic(t *testing.T) {
	p := mustParse(t, least(`"variables": [
		{"key": "PUBLIC", "value": "public value", "public": true},
		{"key": "TOKEN", "value": "secret-token", "public": false},
		{"key": "MASKED", "value": "masked-value", "public": true, "masked": true},
		{"key": "SHORT", "value": "abc", "public": false}],
		"services": [{"name": "redis", "variables": [{"key": "PASSWORD", "value": "of-a-service"}]}],
		"credentials": [{"type": "registry", "url": "r", "username": "someuser", "password": "registry-password"}], `))
	p.Token = "the-jobs-own-token"
	p.GitInfo.RepoURL = "https://gitlab-ci-token:in-the-url@gitlab.example.com/group/app.git"
	env := Environment{
		"CUSTOM_ENV_PUBLIC": "public value", "CUSTOM_ENV_TOKEN": "secret-token", "CUSTOM_ENV_VAULT": "resolved-by-the-runner",
		"CUSTOM_ENV_CI_PROJECT_DIR": "/builds/group/app", "PATH": "/usr/bin:/bin",
	}
	secrets := Secrets(p, env)
	slices.Sort(secrets)
	want := []string{"abc", "in-the-url", "masked-value", "of-a-service", "registry-password", "resolved-by-the-runner", "secret-token", "the-jobs-own-token"}
	if got := slices.Compact(secrets); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
