package payload

import (
	"bytes"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
)

// ForPlan and the plan accept or refuse any payload without a panic, and no part of a
// payload gets out of its place.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"id": 1, "job_info": {"project_id": 2}, "git_info": {"repo_url": "https://u:p@gitlab.example.com/g/a.git"},
		"image": {"name": "alpine", "entrypoint": [""], "executor_opts": {"docker": {"user": 1000, "platform": "linux/arm64"}}},
		"services": [{"name": "docker:dind", "alias": "docker, other", "command": ["--mtu=1400"], "variables": [{"key": "A", "value": "$B"}]}],
		"variables": [{"key": "B", "value": "x", "file": true}], "credentials": [{"type": "registry", "url": "r", "username": "u", "password": "p"}]}`), "A=b\nCUSTOM_ENV_B=c\nCUSTOM_ENV_CI_PROJECT_DIR=/builds/g/a")
	f.Add([]byte(`{"id": 9007199254740993, "runner_info": {"timeout": -1}, "git_info": {"repo_url": "::"}}`), "")
	f.Add([]byte(`{"id":1,"job_info":{"instance_uuid":"x"},"services":[{"name":"a/b@sha256:","alias":"\u0000 ../../etc"}]}`), "CUSTOM_ENV_=x\nCUSTOM_ENV_CI_RUNNER_VERSION=1.2.3@evil")
	f.Fuzz(func(t *testing.T, src []byte, environ string) {
		p, err := decode(bytes.NewReader(src))
		if err != nil {
			return
		}
		env := NewEnvironment(strings.Split(environ, "\n"))
		job := ForPlan(p, env)
		pl, err := plan.Build(config.Default(), job, plan.Facts{Sandbox: "0123456789ab", Arch: "x86_64"})
		if err != nil {
			return
		}
		if pl.Claim.Job != p.Key() || pl.Sandbox != "0123456789ab" {
			t.Errorf("the payload changed whose sandbox it is: %+v", pl.Claim)
		}
		if pl.Job.Privileged || pl.Helper.Privileged {
			t.Error("a container but the sidecar is privileged")
		}
		for _, s := range pl.Services {
			if s.Privileged {
				t.Error("a service is privileged")
			}
		}
		_ = Secrets(p, env)
	})
}
