package plan

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestWhichImageServesWithoutRoot(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for name, want := range map[string]string{
		"docker:dind":                           "docker:dind-rootless",
		"docker:28-dind":                        "docker:28-dind-rootless",
		"docker:28.1.1-dind":                    "docker:28.1.1-dind-rootless",
		"docker:28.1.1-dind-alpine3.21":         "docker:28.1.1-dind-rootless",
		"docker:29.0-rc-dind":                   "docker:29.0-rc-dind-rootless",
		"docker":                                "docker:dind-rootless",
		"docker:latest":                         "docker:dind-rootless",
		"docker:28":                             "docker:28-dind-rootless",
		"docker:28.1.1-alpine3.21":              "docker:28.1.1-dind-rootless",
		"docker.io/library/docker:28-dind":      "docker:28-dind-rootless",
		"docker:dind-rootless":                  "",
		"docker:28-dind-rootless":               "",
		"docker:28-rootless-special":            "",
		"docker:windowsservercore":              "",
		"docker:dind" + digest:                  "",
		"docker" + digest:                       "",
		"mallory/docker:dind":                   "",
		"registry.example.com/group/dind:1":     "",
		"registry.example.com/own/docker:dind":  "",
		"registry.example.com/base/docker:dind": "registry.example.com/base/docker:dind-rootless",
		"gitlab.example.com/group/dependency_proxy/containers/docker:28-dind": "gitlab.example.com/group/dependency_proxy/containers/docker:28-dind-rootless",
		"$CI_REGISTRY/docker:dind": "",
	} {
		s := config.Default().Sidecar
		s.Privilege, s.Image = config.PrivilegeRootless, "registry.example.com/base/docker:26-dind-rootless"
		if got, ok := rootlessVariant(s, name); got != want || ok != (want != "") {
			t.Errorf("%s is served by %q, want %q", name, got, want)
		}
		s.RootlessVariants = nil
		if got, ok := rootlessVariant(s, name); ok {
			t.Errorf("switched off, %s is served by %q", name, got)
		}
		for _, other := range config.Privileges {
			s = config.Default().Sidecar
			s.Privilege = other
			if got, ok := rootlessVariant(s, name); ok && other != config.PrivilegeRootless {
				t.Errorf("%s: %s is served by %q", other, name, got)
			}
		}
	}
}

func TestAPipelineIsServedByARootlessImage(t *testing.T) {
	build := func(allowed []string, services ...Service) (*Plan, error) {
		s, job, facts := example()
		s.Sidecar.Privilege, s.Sidecar.Image, s.Sidecar.AllowedImages = config.PrivilegeRootless, "docker:dind-rootless", allowed
		job.Services = services
		return Build(s, job, facts)
	}
	standard := config.Default().Sidecar.AllowedImages
	p, err := build(standard, named("docker:28-dind"), named("redis:7"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Sidecar.Image.Name != "docker:28-dind-rootless" || !slices.Contains(p.Sidecar.Aliases, "docker") {
		t.Errorf("the daemon is of %s, and answers to %q", p.Sidecar.Image.Name, p.Sidecar.Aliases)
	}
	if len(p.Notes) != 1 || !strings.HasPrefix(p.Notes[0], "docker:28-dind-rootless serves in the place of docker:28-dind") {
		t.Errorf("the job log says %q", p.Notes)
	}
	// The image that runs must be allowed, and no other.
	if _, err := build([]string{"docker.io/library/docker:*-rootless"}, named("docker:28-dind")); err != nil {
		t.Errorf("where rootless images alone are allowed: %v", err)
	}
	if _, err := build([]string{"docker.io/library/docker:28-dind"}, named("docker:28-dind")); !fault.IsOfJob(err) || !strings.Contains(err.Error(), "docker:28-dind-rootless") {
		t.Errorf("where the other alone is allowed: %v", err)
	}
	if p, err = build(standard, named("docker:28-dind"), named("docker:28-dind-rootless", "dind")); err != nil || len(p.Services) != 0 {
		t.Errorf("the same by both names: %v", err)
	}
	// Only when the image is there can a digest be recognised as not rootless.
	digest := "docker:dind@sha256:" + strings.Repeat("a", 64)
	if p, err = build(standard, named(digest)); err != nil || p.Sidecar.Image.Name != digest {
		t.Fatalf("by a digest: %v", err)
	}
	if _, _, err = p.Sidecar.Fit(DindImage{}, EngineHost{}); !fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "variant of a digest is not known") {
		t.Errorf("by a digest: %v, hint %q", err, fault.HintOf(err))
	}
}

func TestADaemonWithoutRootListensWherePipelinesLook(t *testing.T) {
	for name, c := range map[string]struct {
		privilege string
		command   []string
		want      bool
	}{
		"without root":           {config.PrivilegeRootless, nil, true},
		"with flags":             {config.PrivilegeRootless, []string{"--mtu=1400"}, true},
		"a whole command":        {config.PrivilegeRootless, []string{"dockerd", "--host=tcp://0.0.0.0:2376"}, true},
		"said already":           {config.PrivilegeRootless, []string{"--host=unix:///var/run/docker.sock"}, false},
		"said in two words":      {config.PrivilegeRootless, []string{"-H", "unix:///run/docker.sock"}, false},
		"the default of dockerd": {config.PrivilegeRootless, []string{"-H", "unix://"}, false},
		"with root":              {config.PrivilegePrivileged, nil, false},
		"reduced":                {config.PrivilegeReduced, nil, false},
	} {
		s, job, facts := example()
		s.Sidecar.Privilege, s.Sidecar.Image = c.privilege, "docker:dind-rootless"
		job.Services = []Service{{Image: Image{Name: "docker:dind-rootless"}, Command: c.command}}
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(p.Sidecar.Arguments, "--host=unix:///var/run/docker.sock"); got != c.want {
			t.Errorf("%s: dockerd gets %q", name, p.Sidecar.Arguments)
		}
	}
}
