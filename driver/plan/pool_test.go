package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gitlab-dind-executor/config"
)

// pooled returns the plan of a job for which sandboxes are made ahead.
func pooled(t *testing.T) *Plan {
	t.Helper()
	s, job, facts := example()
	s.Pool.Size = 2
	s.Cache.Volume, job.CacheDir, job.Scope = true, "/cache", "gitlab.example.com/42/protected"
	s.Network.DNS = firstNonEmpty(s.Network.DNS, facts.DNS)
	s.Sidecar.RegistryMirrors = []string{"https://mirror.example.com"}
	job.Credentials = []Credential{{Host: "docker.io", Username: "u", Password: NewSecret("marked-secret")}}
	facts.RegistryCAs = map[string][]byte{"registry.example.com": []byte("pem")}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPlanThatWasEncodedIsTheSame(t *testing.T) {
	p := pooled(t)
	text, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "marked-secret") {
		t.Error("a credential is in it")
	}
	got, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	want := p.Ahead()
	for _, image := range []*ImageRef{&want.Sidecar.Image, &want.Helper.Image} {
		image.Auth, image.Policies = nil, []string{config.PullNever}
	}
	// The daemon's configuration passes through JSON, and must give the same daemon.json.
	for _, pl := range []*Plan{want, got} {
		b, err := MergeDaemonConfig(pl.Sidecar.DaemonConfig, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := pl.Sidecar.DaemonConfig["registry-mirrors"].([]string); !ok {
			t.Error("the mirrors are no list of texts any more")
		}
		pl.Sidecar.DaemonConfig = map[string]any{"": string(b)}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(want.Network.Pool, want.Sidecar.IP)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsMadeAheadKnowsNoJob(t *testing.T) {
	a := pooled(t).Ahead()
	if a.Sandbox != "" || a.Claim != (Claim{}) || a.Job.Image.Name != "" || a.Services != nil || a.Helper.CachePath != "" {
		t.Errorf("%+v", a)
	}
	if strings.Contains(strings.Join(a.Helper.Command, " "), "/cache") {
		t.Errorf("the helper's command is %q", a.Helper.Command)
	}
	if want := a.Pool.MaxAge + a.Pool.Serves; a.Sidecar.TLS.Lifetime < want {
		t.Errorf("its certificates live for %s, want at least %s", a.Sidecar.TLS.Lifetime, want)
	}
}

func TestAPlanMovesToAnotherSandbox(t *testing.T) {
	p := pooled(t)
	before := p.Job.Hostname
	moved := p.In("ffffffffffff")
	if moved.Sandbox != "ffffffffffff" || moved.Job.Hostname != "dind-ffffffffffff" || moved.Helper.Hostname != "dind-ffffffffffff-helper" {
		t.Errorf("%s, %s, %s", moved.Sandbox, moved.Job.Hostname, moved.Helper.Hostname)
	}
	if p.Job.Hostname != before {
		t.Error("the plan itself was changed")
	}
	if moved.Spec != p.Spec {
		t.Error("the spec was changed")
	}
}

func TestAJobMayNotOutliveItsCertificates(t *testing.T) {
	p := pooled(t)
	started := p.Claim.Deadline.Add(-p.Pool.Serves)
	if why, ok := p.Claimable(started); !ok {
		t.Errorf("a job that fits is refused: %s", why)
	}
	if why, ok := p.Claimable(started.Add(-time.Second)); ok || !strings.Contains(why, "pool.job_timeout") {
		t.Errorf("a job that is too long may claim: %q", why)
	}
}

// Everybody who reaches a daemon without TLS is root in its sidecar.
func TestNoDaemonWithoutTLSWaits(t *testing.T) {
	for name, change := range map[string]func(*Job){
		"by the variable":      func(j *Job) { j.Variables = vars("DOCKER_TLS_CERTDIR=") },
		"by the daemon's port": func(j *Job) { j.Variables = vars("DOCKER_HOST=tcp://docker:2375") },
		"by the service's command": func(j *Job) {
			j.Services = []Service{{Image: Image{Name: "docker:dind"}, Command: []string{"--tls=false"}}}
		},
		"by the service's variable": func(j *Job) {
			j.Services = []Service{{Image: Image{Name: "docker:dind"}, Variables: vars("DOCKER_TLS_CERTDIR=")}}
		},
	} {
		s, job, facts := example()
		s.Pool.Size = 2
		change(&job)
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if why, ok := p.Claimable(facts.Started); p.MayWait() || ok || !strings.Contains(why, "without TLS") {
			t.Errorf("%s: may wait %t, may claim %t: %q", name, p.MayWait(), ok, why)
		}
	}
	if !pooled(t).MayWait() {
		t.Error("nor does one with TLS")
	}
}
