package plan

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestAPipelineNamesNoLooserPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		pull config.Pull
		own  []string
		want string
	}{
		"by default always alone":         {config.Default().Pull, []string{"always"}, ""},
		"by default not never":            {config.Default().Pull, []string{"never"}, `pull_policy "never" is not allowed`},
		"by default not if-not-present":   {config.Default().Pull, []string{"always", "if-not-present"}, `pull_policy "if-not-present" is not allowed`},
		"what the settings' policy names": {config.Pull{Policy: []string{"always", "never"}}, []string{"never"}, ""},
		"what the settings allow":         {config.Pull{Policy: []string{"always"}, AllowedPolicies: []string{"always", "never"}}, []string{"never"}, ""},
		"what neither of the two of them": {config.Pull{Policy: []string{"never"}, AllowedPolicies: []string{"always"}}, []string{"never"}, "not allowed"},
		"what there is not":               {config.Default().Pull, []string{"sometimes"}, "unknown pull_policy"},
		"none, which takes the settings'": {config.Pull{Policy: []string{"never"}, AllowedPolicies: []string{"always"}}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			pl := planner{s: config.Settings{Pull: c.pull}}
			_, err := pl.image(Image{Name: "a", PullPolicies: c.own}, "image", false)
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !fault.IsOfJob(err)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Every job may have an image that only the settings name. To ask a registry would cost
// jobs time and protect nobody.
func TestImagesOfTheSettingsAreFetchedIfAbsent(t *testing.T) {
	s, job, facts := example()
	s.Pull.Policy = []string{"always"}
	job.Image, job.Services = Image{}, []Service{named("redis:7")}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		got  []string
		want string
	}{
		"sidecar": {p.Sidecar.Image.Policies, "if-not-present"}, "job": {p.Job.Image.Policies, "if-not-present"},
		"helper": {p.Helper.Image.Policies, "if-not-present"}, "service": {p.Services[0].Image.Policies, "always"},
	} {
		if !slices.Equal(c.got, []string{c.want}) {
			t.Errorf("%s: %q, want %s", what, c.got, c.want)
		}
	}
	s.Pull.Policy = []string{"never"}
	if p, err = Build(s, job, facts); err != nil || !slices.Equal(p.Sidecar.Image.Policies, s.Pull.Policy) {
		t.Errorf("on a host that pulls nothing: %q (%v)", p.Sidecar.Image.Policies, err)
	}
}

func TestAJobWithTooManyServicesIsAFaultOfTheJob(t *testing.T) {
	s, job, facts := example()
	s.Services.Max = 2
	for n, want := range map[int]string{2: "", 3: "this job has 3 services, and this runner allows 2"} {
		job.Services = slices.Repeat([]Service{named("redis:7")}, n)
		_, err := Build(s, job, facts)
		if (err == nil) != (want == "") || err != nil && (err.Error() != want || !fault.IsOfJob(err)) {
			t.Errorf("%d: %v", n, err)
		}
	}
}
