package plan

import (
	"slices"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestTheFirstPolicyThatMatchesCounts(t *testing.T) {
	yes, no := true, false
	s := config.Default()
	s.Policies = []config.Policy{
		{Name: "releases", Projects: []string{"platform/**"}, Protected: &yes, Job: config.PolicyJob{Image: "release"}},
		{Name: "platform", Projects: []string{"platform/**"}, Job: config.PolicyJob{Image: "platform"}},
		{Name: "branches", Protected: &no, Sidecar: config.PolicySidecar{AllowedImages: []string{}}, Job: config.PolicyJob{Image: "branch"}},
	}
	for name, c := range map[string]struct {
		project   string
		protected bool
		image     string
		why       string
	}{
		"project and protection":       {"platform/app", true, "release", `policy 1 (releases): project platform/app matches "platform/**" and the ref is protected`},
		"the project alone":            {"platform/deep/app", false, "platform", `policy 2 (platform): project platform/deep/app matches "platform/**"`},
		"the protection alone":         {"other/app", false, "branch", "policy 3 (branches): the ref is unprotected"},
		"none":                         {"other/app", true, "docker:latest", "no policy: none of 3 matches project other/app, protected"},
		"a project that begins alike":  {"platformers/app", true, "docker:latest", "no policy: none of 3 matches project platformers/app, protected"},
		"a project that is not known":  {"", true, "docker:latest", "no policy: none of 3 matches project , protected"},
		"the group without a project":  {"platform", true, "release", `policy 1 (releases): project platform matches "platform/**" and the ref is protected`},
		"another case is another name": {"Platform/app", true, "docker:latest", "no policy: none of 3 matches project Platform/app, protected"},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := Effective(s, Job{Project: c.project, Protection: ProtectionOf(&c.protected)})
			if got.Job.Image != c.image || why != c.why {
				t.Errorf("image %s, because of %s; want %s, %s", got.Job.Image, why, c.image, c.why)
			}
			if c.image == "branch" && len(got.Sidecar.AllowedImages) > 0 {
				t.Error("an empty list was taken for one that is not set")
			}
			if c.image != "branch" && !slices.Equal(got.Sidecar.AllowedImages, s.Sidecar.AllowedImages) {
				t.Error("a list that no policy sets was changed")
			}
		})
	}
}

func TestImagesThatAPolicyForbidsAreAFaultOfTheJob(t *testing.T) {
	s := config.Default()
	s.Job.AllowedImages = []string{"registry.example.com/**"}
	s.Services.AllowedImages = []string{"docker.io/library/redis:*"}
	s.Policies = []config.Policy{{
		Projects: []string{"platform/**"},
		Job:      config.PolicyJob{AllowedImages: []string{"docker.io/library/alpine:*"}},
		Services: config.PolicyServices{AllowedImages: []string{"docker.io/library/postgres:*"}},
	}}
	build := func(j Job) error {
		_, err := Build(s, j, Facts{Sandbox: "0123456789ab", Arch: "x86_64"})
		return err
	}
	if err := build(Job{Services: []Service{{Image: Image{Name: "redis:7"}}}}); err != nil {
		t.Errorf("the settings' own image and an allowed service: %v", err)
	}
	for name, c := range map[string]struct {
		job  Job
		want string
		hint string
	}{
		"a job's image": {
			Job{Image: Image{Name: "alpine:3"}},
			"image alpine:3 may not be the image of a job on this runner",
			`ask the runner's admin to add "docker.io/library/alpine:3" to job.allowed_images, or use docker:latest`,
		},
		"a service": {
			Job{Services: []Service{{Image: Image{Name: "postgres:16"}}}},
			"image postgres:16 may not be a service on this runner",
			`ask the runner's admin to add "docker.io/library/postgres:16" to services.allowed_images`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := build(c.job)
			if err == nil || err.Error() != c.want || fault.HintOf(err) != c.hint || !fault.IsOfJob(err) {
				t.Errorf("got %v, hint %s", err, fault.HintOf(err))
			}
			c.job.Project = "platform/app"
			if err := build(c.job); err != nil {
				t.Errorf("where a policy allows it: %v", err)
			}
		})
	}
}
