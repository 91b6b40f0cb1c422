package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

const found = `echo "images: $(docker images -q | wc -l), in the cache: $(ls -A /cache)."`

// cachingAll makes the hooks keep layers and /cache, and removes them when the test ends. Call
// it after rig.Unchanged.
func cachingAll(t *testing.T, more string) func(*local.Runner) {
	t.Helper()
	t.Cleanup(func() { gcWith(t, "--caches", "--older-than", "0s") })
	return under(settingsWith(t, "[cache]\nvolume = true\nlayers = \"project\"\n"+more))
}

// The sender of a merge request writes its code. So neither a release nor a branch may find the
// layers and caches of a merge request.
func TestMergeRequestsShareWithMergeRequestsAlone(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingAll(t, "")
	protected, unprotected := true, false
	job := func(ref string, of *bool, script ...string) local.Payload {
		p := world.Job(append([]string{found}, script...)...)
		p.GitInfo.Ref, p.GitInfo.Protected = ref, of
		return p
	}
	const nothing = "images: 0, in the cache: .\n"
	runJobUnchecked(t, job("refs/merge-requests/1/head", &unprotected, login, build, `touch /cache/planted`), with).succeeded().quietCleanup().
		says(nothing, "no layers yet")
	// No job may find the leftovers of the jobs before it either.
	for _, c := range []struct {
		name string
		p    local.Payload
	}{
		{"a protected branch", job("main", &protected, login, build)},
		{"an unprotected branch", job("topic", &unprotected, login, build)},
		{"a merge request between protected branches", job("refs/merge-requests/2/head", &protected, login, build)},
	} {
		t.Run(c.name, func(t *testing.T) {
			runJobUnchecked(t, c.p, with).succeeded().quietCleanup().says(nothing, "no layers yet").saysNot("CACHED")
		})
	}
	refs := []string{"refs/merge-requests/2/head"}
	if long() {
		refs = append(refs, "refs/merge-requests/1/merge", "refs/merge-requests/1/train")
	}
	for _, ref := range refs {
		runJobUnchecked(t, job(ref, &unprotected, login, build), with).succeeded().quietCleanup().
			says("in the cache: planted.\n", "CACHED", "layers reused")
	}
}

// Before GitLab 18.3 a payload does not tell whether its ref is protected.
func TestWithoutAWordOnProtectionNothingIsCached(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingAll(t, "[[policy]]\nname = \"releases\"\nprotected = true\njob.allowed_images = []\n")
	for range 2 {
		p := world.Job(found, login, build, `touch /cache/left`)
		p.GitInfo.Protected = nil
		runJobUnchecked(t, p, with).succeeded().quietCleanup().saysNot("CACHED", "no layers yet", "layers reused").says(
			"no later job gets the layers or caches of this one; GitLab tells it from 18.3 on, and GitLab Runner hands it on from 18.4 on: upgrade them",
			"skipped, since it is not known whether the ref is protected: policy 1 (releases); ",
			"images: 0, in the cache: .\n",
		)
		if said := gcWith(t, "--caches", "--older-than", "0s", "--dry-run"); said != "nothing to remove\n" {
			t.Errorf("kept is: %s", said)
		}
	}
}

// The engine mounts any volume of a name. Unless hooks look, whoever can make a volume has its
// content in other projects' jobs, and their content in his.
func TestACacheThatSomebodyElsePutThereIsNotUsed(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	u, err := url.Parse(world.Git.URL)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(u.Host + "/42/protected/" + lab.Installation))
	name := "dind-cache-" + hex.EncodeToString(sum[:])
	labels, err := rig.Labels("scopes")
	if err != nil {
		t.Fatal(err)
	}
	v, err := world.Engine.VolumeCreate(t.Context(), volume.CreateOptions{Name: name, Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := world.Engine.VolumeRemove(context.WithoutCancel(t.Context()), name, false); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(v.Mountpoint, "planted"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cache := []local.Cache{{Key: "default", Paths: []string{"vendor/"}, Policy: "pull-push", When: "on_success"}}
	unused := func(r ran) {
		t.Helper()
		r.succeeded().quietCleanup().says("this job has no /cache of earlier ones: volume "+name+": somebody else's volume has its name", "in the cache: .\n")
		entries, err := os.ReadDir(v.Mountpoint)
		if names := slices.Collect(func(yield func(string) bool) {
			for _, e := range entries {
				if !yield(e.Name()) {
					return
				}
			}
		}); err != nil || !slices.Equal(names, []string{"planted"}) {
			t.Errorf("in the volume are %q, %v", names, err)
		}
	}
	job := func() local.Payload {
		p := plainJob(`echo "in the cache: $(ls -A /cache)."`, `touch /cache/secret`, `mkdir vendor && touch vendor/secret`)
		p.Cache = cache
		return p
	}
	t.Run("cold", func(t *testing.T) {
		unused(runJobUnchecked(t, job(), under(settingsWith(t, "[cache]\nvolume = true\nlayers = \"off\"\n"))))
	})
	t.Run("in a sandbox that waited", func(t *testing.T) {
		p := startPool(t, "1", "[cache]\nvolume = true\nlayers = \"off\"\n")
		p.one()
		r, _ := p.run(job())
		unused(r)
		r.says("(from the pool)")
	})
}

// Some programs, such as databases, look for the name behind a client's address. They would
// wait for 10 s if the engine's DNS could not put the name into an answer.
func TestTheAddressOfASidecarHasAName(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	with := cachingLayers(t)
	runJobUnchecked(t, world.Job(`ip=$(getent hosts docker | cut -d' ' -f1)`, `timeout 5 getent hosts "$ip"`), with).
		succeeded().quietCleanup().says("-sidecar.dind-", "no layers yet")
}
