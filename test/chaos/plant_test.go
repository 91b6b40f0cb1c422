package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// plantedTree is the fault of a job with a hostile tree among its layers and its sources.
const plantedTree = "hostile tree"

// plantImage is an image in the registry. Its program plants such trees.
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

// plants runs an unbroken job before the job of the round. This job plants trees with all the
// rights of its daemon. The trees follow from the round's number. The broken job and the job
// after it have the same layers. plants tells whether the trees were planted.
func (c *chaos) plants(settings string, n int) bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), roundBound)
	defer cancel()
	honest := ""
	if n%4 == 0 {
		honest = "-honest "
	}
	plant := func(kind, directory string) string {
		return fmt.Sprintf(`docker run --rm --privileged -v %s:/d %s -kind %s -seed %d -entries 200 %s/d`, directory, plantImage, kind, n, honest)
	}
	p := world.Job(lab.Login+` 2>/dev/null`,
		plant("project", "$CI_PROJECT_DIR"), plant("data", "/var/lib/docker"))
	p.Services = nil
	var log strings.Builder
	r := world.RunnerWith(settings)
	r.Log = &log
	_ = r.Run(ctx, p) // its own plants may have ended the job
	return strings.Contains(log.String(), "\nplanted: ")
}
