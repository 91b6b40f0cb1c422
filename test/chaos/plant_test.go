package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// plantedTree is the fault of a job that leaves a hostile tree among its layers and
// its sources.
const plantedTree = "hostile tree"

// plantImage is the image whose program plants such trees, in the registry.
const plantImage = "$CI_REGISTRY/base/plant"

// planter puts plantImage into the registry.
func (c *chaos) planter() {
	c.t.Helper()
	program := filepath.Join(c.t.TempDir(), "plant")
	build := exec.CommandContext(c.t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "gitlab-dind-executor/test/hostiletree/plant")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		c.t.Fatalf("building the program that plants: %v\n%s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		c.t.Fatal(err)
	}
	image := rig.DeriveWith(c.t, world.Engine, rig.ImageBusybox,
		[]rig.File{{Path: "/plant", Mode: 0o755, Content: string(content)}}, `ENTRYPOINT ["/plant"]`)
	if err := world.Registry.Push(c.t.Context(), world.Engine, image, "base/plant:latest"); err != nil {
		c.t.Fatal(err)
	}
}

// plants lets every second round's job plant trees that follow from its number,
// with all the rights that its daemon gives out. The next job has the same layers.
func (c *chaos) plants(p *local.Payload, n int) {
	if n%2 != 0 {
		return
	}
	honest := ""
	if n%4 == 2 {
		honest = "-honest "
	}
	plant := func(kind, directory string) string {
		return fmt.Sprintf(`docker run --rm --privileged -v %s:/d %s -kind %s -seed %d -entries 200 %s/d`, directory, plantImage, kind, n, honest)
	}
	p.Steps[0].Script = append(p.Steps[0].Script, plant("project", "$CI_PROJECT_DIR"), plant("data", "/var/lib/docker"))
}
