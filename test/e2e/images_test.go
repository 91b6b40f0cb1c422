package e2e

import (
	"fmt"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// Behind an allowed tag a digest could name any image of a repository.
func TestADigestThatIsNotAllowedIsNoDaemon(t *testing.T) {
	for tag, from := range map[string]string{"1": rig.ImageDind, "evil": rig.ImageBusybox} {
		if err := world.Registry.Push(t.Context(), world.Engine, from, "group/tagged/dind:"+tag); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := world.Registry.Digest(t.Context(), "group/tagged/dind", "evil")
	if err != nil {
		t.Fatal(err)
	}
	repo := world.Registry.LocalHost + "/group/tagged/dind"
	for _, name := range []string{"privileged", "reduced", "rootless"} {
		t.Run(name, func(t *testing.T) {
			own := rig.ImageDind
			if name == "rootless" {
				own = rig.ImageRootless
			}
			settings := privilege(t, name, own, fmt.Sprintf("sidecar.allowed_images = [%q]", repo+":1*"))
			p := images(world.Job(`echo never`), rig.ImageCLI, repo+":1@"+digest)
			r := runJob(t, p, settings).quietCleanup().
				says("error: image "+repo+":1@"+digest+" may not be the docker daemon of a job on this runner", "sidecar.allowed_images").
				saysNot("\nnever", "pulling")
			if r.State != local.Failed || r.Attempts != 1 {
				t.Fatalf("the job ended as %s after %d attempts, want failed after one", r.State, r.Attempts)
			}
		})
	}
}
