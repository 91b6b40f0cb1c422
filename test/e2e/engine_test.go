package e2e

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/image"
)

// tagged gives an image of the engine another name until the test's end.
func tagged(t *testing.T, name, as string) string {
	t.Helper()
	if err := world.Engine.ImageTag(t.Context(), name, as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, as) })
	return as
}

func removeImage(t *testing.T, name string) {
	t.Helper()
	if _, err := world.Engine.ImageRemove(context.Background(), name, image.RemoveOptions{}); err != nil {
		t.Logf("removing image %s: %v", name, err)
	}
}
