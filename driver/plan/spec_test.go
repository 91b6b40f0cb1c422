package plan

import (
	"net/netip"
	"testing"
	"time"

	"gitlab-dind-executor/config"
)

// A sandbox made ahead serves any job with the same spec. So the spec depends on everything
// except the job.
func TestSpecIsTheSameForJobsOfTheSameKind(t *testing.T) {
	build := func(change func(*config.Settings, *Job, *Facts)) string {
		s, job, facts := example()
		change(&s, &job, &facts)
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		return p.Spec
	}
	base := build(func(*config.Settings, *Job, *Facts) {})
	for name, change := range map[string]func(*config.Settings, *Job, *Facts){
		"another job":              func(_ *config.Settings, j *Job, _ *Facts) { j.Key, j.Scope = "gitlab.example.com/1001", "other" },
		"another sandbox":          func(_ *config.Settings, _ *Job, f *Facts) { f.Sandbox = "ba9876543210" },
		"another owner":            func(_ *config.Settings, _ *Job, f *Facts) { f.Owner = "x" },
		"another time":             func(_ *config.Settings, _ *Job, f *Facts) { f.Started = f.Started.Add(time.Hour) },
		"another timeout":          func(_ *config.Settings, j *Job, _ *Facts) { j.Timeout = time.Minute },
		"another job image":        func(_ *config.Settings, j *Job, _ *Facts) { j.Image.Name = "golang:1" },
		"other variables":          func(_ *config.Settings, j *Job, _ *Facts) { j.Variables = vars("CI=true") },
		"the usual storage driver": func(_ *config.Settings, j *Job, _ *Facts) { j.Variables = vars("DOCKER_DRIVER=overlay2") },
		"an ordinary service":      func(_ *config.Settings, j *Job, _ *Facts) { j.Services = []Service{named("redis:7")} },
		"a limit of the job":       func(s *config.Settings, _ *Job, _ *Facts) { s.Limits.Job.PIDs = 9 },
		"a mirror that is there": func(_ *config.Settings, _ *Job, f *Facts) {
			f.Mirror = &MirrorAccess{ID: "0123456789ab", URL: "http://172.17.0.1:5017"}
		},
		"other networks elsewhere": func(_ *config.Settings, _ *Job, f *Facts) {
			f.Used = append(f.Used, netip.MustParsePrefix("198.51.100.0/24"))
		},
		"credentials of another registry": func(_ *config.Settings, j *Job, _ *Facts) {
			j.Credentials = []Credential{{Host: "registry.example.com", Username: "u", Password: NewSecret("p")}}
		},
	} {
		if got := build(change); got != base {
			t.Errorf("%s changes the spec", name)
		}
	}
	seen := map[string]string{base: "the base"}
	for name, change := range map[string]func(*config.Settings, *Job, *Facts){
		"another version of this program": func(_ *config.Settings, _ *Job, f *Facts) { f.Version = "v2" },
		"another dind image":              func(_ *config.Settings, j *Job, _ *Facts) { j.Services = []Service{named("docker:28-dind")} },
		"another default":                 func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.Image = "docker:27-dind" },
		"a command":                       func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.Arguments = []string{"--debug"} },
		"an MTU":                          func(s *config.Settings, _ *Job, _ *Facts) { s.Network.MTU = 1400 },
		"the host's MTU":                  func(_ *config.Settings, _ *Job, f *Facts) { f.MTU = 1300 },
		"plaintext":                       func(_ *config.Settings, j *Job, _ *Facts) { j.Variables = vars("DOCKER_TLS_CERTDIR=") },
		"a client's key of RSA":           func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.ClientKey = config.ClientKeyRSA },
		"an alias":                        func(_ *config.Settings, j *Job, _ *Facts) { j.Services = []Service{named("docker:dind", "dind")} },
		"a variable of the daemon": func(_ *config.Settings, j *Job, _ *Facts) {
			j.Services = []Service{{Image: Image{Name: "docker:dind"}, Variables: vars("DOCKER_DRIVER=vfs")}}
		},
		"another Runner":      func(_ *config.Settings, j *Job, _ *Facts) { j.RunnerVersion = "19.3.0" },
		"another helper":      func(s *config.Settings, _ *Job, _ *Facts) { s.Helper.Image = "helper:1" },
		"another pool":        func(s *config.Settings, _ *Job, _ *Facts) { s.Network.Pool = netip.MustParsePrefix("10.240.0.0/16") },
		"another subnet size": func(s *config.Settings, _ *Job, _ *Facts) { s.Network.SubnetBits = 27 },
		"inner ranges in use": func(_ *config.Settings, _ *Job, f *Facts) {
			f.Used = append(f.Used, netip.MustParsePrefix("10.232.0.0/16"))
		},
		"a DNS server": func(s *config.Settings, _ *Job, _ *Facts) {
			s.Network.DNS = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
		},
		"a host's name":   func(s *config.Settings, _ *Job, _ *Facts) { s.Network.ExtraHosts = []string{"a:192.0.2.1"} },
		"a registry's CA": func(_ *config.Settings, _ *Job, f *Facts) { f.RegistryCAs = map[string][]byte{"r": []byte("pem")} },
		"a registry without TLS": func(s *config.Settings, _ *Job, _ *Facts) {
			s.Registry = map[string]config.Registry{"r": {Insecure: true}}
		},
		"a mirror":                      func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.RegistryMirrors = []string{"https://m"} },
		"IPv6":                          func(s *config.Settings, _ *Job, _ *Facts) { s.Network.IPv6 = true },
		"a proxy":                       func(s *config.Settings, _ *Job, _ *Facts) { s.Proxy.HTTP = "http://proxy:1" },
		"the pipeline's proxy":          func(_ *config.Settings, j *Job, _ *Facts) { j.Variables = vars("HTTP_PROXY=http://proxy:2") },
		"the pipeline's storage driver": func(_ *config.Settings, j *Job, _ *Facts) { j.Variables = vars("DOCKER_DRIVER=btrfs") },
		"another CA":                    func(_ *config.Settings, _ *Job, f *Facts) { f.RegistryCAs = map[string][]byte{"r": []byte("other")} },
		"the slow way of booting":       func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.FastBoot = false },
		"another builds directory":      func(_ *config.Settings, j *Job, _ *Facts) { j.BuildsDir = "/home/builds" },
		"a limit of the sidecar":        func(s *config.Settings, _ *Job, _ *Facts) { s.Limits.Sidecar.PIDs = 9 },
		"a limit of the helper":         func(s *config.Settings, _ *Job, _ *Facts) { s.Limits.Helper.PIDs = 9 },
		"a reduced sidecar":             func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.Privilege = config.PrivilegeReduced },
		"a rootless sidecar":            func(s *config.Settings, _ *Job, _ *Facts) { s.Sidecar.Privilege = config.PrivilegeRootless },
		"a runtime": func(s *config.Settings, _ *Job, _ *Facts) {
			s.Sidecar.Privilege, s.Sidecar.Runtime = config.PrivilegeRuntime, "sysbox-runc"
		},
		"another runtime": func(s *config.Settings, _ *Job, _ *Facts) {
			s.Sidecar.Privilege, s.Sidecar.Runtime = config.PrivilegeRuntime, "kata"
		},
	} {
		got := build(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the spec of %s", name, other)
		}
		seen[got] = name
	}
}
