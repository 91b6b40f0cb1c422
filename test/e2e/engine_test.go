package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
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

// unasked writes settings under which no registry is asked about an image on the engine. Images
// that a test has only tagged need such settings.
func unasked(t *testing.T) string {
	t.Helper()
	path, err := world.WriteSettings("unasked.toml", "[pull]\npolicy = [\"if-not-present\"]\n")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func removeImage(t *testing.T, name string) {
	t.Helper()
	removedBehind(t)
	if _, err := world.Engine.ImageRemove(context.Background(), name, image.RemoveOptions{}); err != nil {
		t.Logf("removing image %s: %v", name, err)
	}
}

// labelsOf returns the labels of all containers, networks and volumes by name. sandbox selects
// a sandbox; "" selects the whole engine.
func labelsOf(t *testing.T, sandbox string) map[string]map[string]string {
	t.Helper()
	f := filters.NewArgs()
	if sandbox != "" {
		f.Add("label", "gitlab-dind-executor.sandbox="+sandbox)
	}
	labels := map[string]map[string]string{}
	containers, err := world.Engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		labels[c.Names[0][1:]] = c.Labels
	}
	networks, err := world.Engine.NetworkList(t.Context(), network.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		labels[n.Name] = n.Labels
	}
	volumes, err := world.Engine.VolumeList(t.Context(), volume.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		labels[v.Name] = v.Labels
	}
	return labels
}

// hostMTU is the MTU of the default route's interface.
func hostMTU(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c",
		`cat /sys/class/net/$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)/mtu`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
