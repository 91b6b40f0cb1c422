package e2e

import (
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// stranger is a job of another project, without credentials for the registry.
func stranger(p local.Payload) local.Payload {
	p.Credentials = nil
	p.JobInfo.ProjectID, p.JobInfo.ProjectName = 43, "stranger"
	return p
}

// A job with the right to pull a private image leaves the image on the host for others.
func TestAPrivateImageIsNoOtherProjects(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	if err := world.Registry.Push(t.Context(), world.Engine, rig.ImageBusybox, "group/secret/tools:1"); err != nil {
		t.Fatal(err)
	}
	name := world.Registry.LocalHost + "/group/secret/tools:1"
	t.Cleanup(func() { removeImage(t, name) })
	script := `echo "the job has it"`
	runJobUnchecked(t, images(world.Job(script), name, rig.ImageDind)).succeeded().says("pulled "+name, "the job has it")
	id := imageID(t, name)
	service := images(world.Job(`sleep 1; cat ../* 2>/dev/null`), rig.ImageCLI, rig.ImageDind)
	service.Services = append(service.Services, local.Image{Name: name, Alias: "private", Entrypoint: []string{"sh", "-c", "echo copied > /builds/loot; sleep 60"}})
	t.Run("is denied", func(t *testing.T) {
		for want, cases := range map[string]map[string]local.Payload{
			"hint: no credentials for this registry": {
				"as its image":   images(world.Job(script), name, rig.ImageDind),
				"as its service": service,
				"as its daemon":  images(world.Job(script), rig.ImageCLI, world.Registry.LocalHost+"/group/secret/dind:1"),
			},
			"hint: use one of always": {
				"never":          withPolicy(images(world.Job(script), name, rig.ImageDind), "never"),
				"if-not-present": withPolicy(images(world.Job(script), name, rig.ImageDind), "if-not-present"),
				"always, never":  withPolicy(images(world.Job(script), name, rig.ImageDind), "always", "never"),
			},
			"error: ": {
				"by its id":                              images(world.Job(script), id, rig.ImageDind),
				"by a short id, which looks like a name": images(world.Job(script), strings.TrimPrefix(id, "sha256:")[:12], rig.ImageDind),
			},
		} {
			for what, p := range cases {
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					if what == "as its daemon" {
						private := world.Registry.LocalHost + "/group/secret/dind:1"
						if err := world.Registry.Push(t.Context(), world.Engine, rig.ImageBusybox, "group/secret/dind:1"); err != nil {
							t.Fatal(err)
						}
						tagged(t, rig.ImageDind, private)
					}
					r := runJobUnchecked(t, stranger(p)).quietCleanup().says("error: ", want).saysNot("the job has it", "copied")
					if r.State == local.Success || want != "error: " && (r.State != local.Failed || r.Attempts != 1) {
						t.Fatalf("the job ended as %s after %d attempts", r.State, r.Attempts)
					}
				})
			}
		}
	})
	// The owner still has the image, and nothing is fetched for this job.
	runJobUnchecked(t, images(world.Job(script), name, rig.ImageDind)).succeeded().says("the job has it").saysNot("pulling", "registry 127.0.0.1")
}

func withPolicy(p local.Payload, policies ...string) local.Payload {
	p.Image.PullPolicy = policies
	return p
}

// imageID is an image's id, sha256:…
func imageID(t *testing.T, name string) string {
	t.Helper()
	img, err := world.Engine.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return img.ID
}

// A job gets the image that a tag names now, whoever fetched the tag before.
func TestANewerImageIsFetched(t *testing.T) {
	repo := "group/moving/tools"
	name := world.Registry.LocalHost + "/" + repo + ":1"
	t.Cleanup(func() { removeImage(t, name) })
	push := func(from string) {
		t.Helper()
		if err := world.Registry.Push(t.Context(), world.Engine, from, repo+":1"); err != nil {
			t.Fatal(err)
		}
	}
	push(rig.ImageBusybox)
	script := `test -e /newer && echo "it is the newer" || echo "it is the older"`
	p := func() local.Payload {
		p := images(world.Job(script), name, rig.ImageDind)
		p.Services = append(p.Services, local.Image{Name: name, Alias: "beside", Command: []string{"sh", "-c", "test -e /newer && echo newer beside; sleep 60"}})
		lab := local.Variable{Key: "CI_DEBUG_SERVICES", Value: "true", Public: true}
		p.Variables = append(p.Variables, lab)
		return p
	}
	runJob(t, p()).succeeded().says("pulled "+name, "it is the older")
	older, err := world.Registry.Digest(t.Context(), repo, "1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, world.Registry.LocalHost+"/"+repo+"@"+older) })
	push(rig.DeriveWith(t, world.Engine, rig.ImageBusybox, []rig.File{{Path: "/newer", Content: "yes\n"}}))
	r := runJob(t, p()).succeeded().quietCleanup().says("pulled "+name, "it is the newer")
	if !strings.Contains(r.log, "newer beside") {
		t.Error("the service was the older")
	}
	digest, err := world.Registry.Digest(t.Context(), repo, "1")
	if err != nil {
		t.Fatal(err)
	}
	r.says(digest)
	runJob(t, p()).succeeded().says("it is the newer").saysNot("pulling")
}
