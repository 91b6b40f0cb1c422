package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"gitlab-dind-executor/test/rig"
)

func TestPrepullUsesTheCredentialsOfItsUser(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	name := world.Registry.LocalHost + "/base/busybox"
	t.Cleanup(func() {
		if _, err := world.Engine.ImageRemove(context.Background(), name, image.RemoveOptions{}); err != nil {
			t.Log(err)
		}
	})
	dir := t.TempDir()
	settings := filepath.Join(dir, "dind.toml")
	for file, text := range map[string]string{
		settings: fmt.Sprintf("[sidecar]\nimage = %[1]q\n[job]\nimage = %[1]q\n[helper]\nimage = %[1]q\n[pull]\nprepull = [%[1]q]\n", name),
		filepath.Join(dir, "config.json"): fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, world.Registry.LocalHost,
			base64.StdEncoding.EncodeToString([]byte(world.Registry.User+":"+world.Registry.Password))),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"fetched ", " was there"} {
		cmd := exec.CommandContext(t.Context(), world.Binary, "--settings", settings, "prepull")
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+dir)
		var said strings.Builder
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 || !strings.HasPrefix(said.String(), "pulling "+name) {
			t.Fatalf("%v\n%s%s", err, out, said.String())
		}
	}
	if _, err := world.Engine.ImageInspect(t.Context(), name); err != nil {
		t.Error(err)
	}
}
