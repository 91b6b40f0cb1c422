package access

import (
	"context"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/payload"
)

func FuzzDockerAuthConfig(f *testing.F) {
	f.Add(`{"auths": {"registry.example.com": {"auth": "dXNlcjpwYXNz"}}, "credsStore": "x", "credHelpers": {"a": "../b"}}`)
	f.Add(`{"auths": null, "credHelpers": {"registry.example.com": ""}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, src string) {
		var warnings []string
		env := payload.Environment{"CUSTOM_ENV_DOCKER_AUTH_CONFIG": src}
		all := Credentials(context.Background(), &payload.Job{}, env, []string{"registry.example.com"}, nil, func(w string) { warnings = append(warnings, w) })
		for _, c := range all {
			for _, w := range warnings {
				if pw := c.Password.Reveal(); len(pw) >= 6 && strings.Contains(w, pw) {
					t.Errorf("a warning shows a password: %s", w)
				}
			}
		}
	})
}
