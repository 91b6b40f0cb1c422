package doctor

import (
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
)

// doctor reports every setting that makes a job container more powerful than an ordinary
// container, with its policy.
func TestWhatContainersHaveOfTheHostIsTold(t *testing.T) {
	here := driver.Engine{Address: "unix:///run/docker.sock", Runtimes: []string{"runc"}}
	with := func(change func(*config.Settings)) config.Settings {
		s := config.Default()
		change(&s)
		return s
	}
	policy := func(p config.Policy) config.Settings {
		return with(func(s *config.Settings) { s.Policies = []config.Policy{p} })
	}
	for name, c := range map[string]struct {
		settings   config.Settings
		engine     driver.Engine
		level      Level
		text, hint string
	}{
		"nothing": {config.Default(), here, OK, "ordinary", ""},
		"limits and memory alone": {with(func(s *config.Settings) {
			s.Job.Ulimit, s.Job.ShmSize, s.Job.CapDrop = map[string]string{"nofile": "1"}, 1<<20, []string{"ALL"}
		}), here, OK, "ordinary", ""},
		"a directory to read": {with(func(s *config.Settings) { s.Job.Volumes = []string{"/srv/a:/a:ro"} }), here, OK, "ordinary", ""},
		"a directory to write": {
			with(func(s *config.Settings) { s.Services.Volumes = []string{"/srv/a:/a"} }), here, Warning,
			"jobs can write /srv/a of this host", "services.volumes",
		},
		"one that is not there": {
			with(func(s *config.Settings) { s.Job.Volumes = []string{"/nope:/a:ro"} }), here, Error,
			"/nope is not on this host", "job.volumes",
		},
		"the engine's data, wherever they are": {
			with(func(s *config.Settings) { s.Job.Volumes = []string{"/srv/a:/a:ro"} }),
			driver.Engine{Address: "unix:///run/docker.sock", DataRoot: "/srv/a/docker"},
			Error, "/srv/a/docker, where the engine keeps its data", "job.volumes",
		},
		"a part of the engine's data": {
			with(func(s *config.Settings) { s.Services.Volumes = []string{"/srv/a:/a:ro"} }),
			driver.Engine{Address: "unix:///run/docker.sock", DataRoot: "/srv"},
			Error, "where the engine keeps its data", "services.volumes",
		},
		"the engine's socket, wherever it is": {
			with(func(s *config.Settings) { s.Job.Volumes = []string{"/srv/a:/a:ro"} }),
			driver.Engine{Address: "unix:///srv/a/api"},
			Error, "/srv/a/api, the engine's socket", "job.volumes",
		},
		"one on another host": {with(func(s *config.Settings) { s.Job.Volumes = []string{"/nope:/a:ro"} }), driver.Engine{Address: "tcp://x:2376"}, OK, "ordinary", ""},
		"a directory of a policy": {
			policy(config.Policy{Name: "models", Job: config.PolicyJob{Volumes: []string{"/srv/a:/a"}}}), here, Warning,
			"jobs can write /srv/a", "job.volumes of policy 1 (models)",
		},
		"a capability": {
			policy(config.Policy{Job: config.PolicyJob{Rights: config.Rights{CapAdd: []string{"SYS_PTRACE"}, Devices: []string{"/dev/kvm"}}}}), here, Warning,
			"policy 1 gives job containers more than an ordinary container has: cap_add, devices", "protected = true",
		},
		"GPUs of services": {
			policy(config.Policy{Services: config.PolicyServices{ServiceRights: config.ServiceRights{GPUs: "all"}}}), here, Warning,
			"gives services more", "trust",
		},
		"a runtime that is not there": {
			policy(config.Policy{Job: config.PolicyJob{Rights: config.Rights{Runtime: "kata"}}}), here, Error,
			`no runtime "kata"`, "job.runtime",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := Containers(c.settings, c.engine, func(path string) bool { return path == "/srv/a" })
			if len(found) == 0 {
				t.Fatal("nothing is told")
			}
			sees(t, found[0], c.level, c.text, c.hint)
		})
	}
}
