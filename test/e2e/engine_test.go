package e2e

import (
	"testing"

	"github.com/docker/docker/api/types/image"
)

func removeImage(t *testing.T, name string) {
	t.Helper()
	if _, err := world.Engine.ImageRemove(t.Context(), name, image.RemoveOptions{}); err != nil {
		t.Logf("removing image %s: %v", name, err)
	}
}
