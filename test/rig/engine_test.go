package rig

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// newClient returns a client of the environment's engine. The test fails without an engine.
func newClient(t *testing.T) *client.Client {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cli.Close() })
	if _, err := cli.Ping(t.Context()); err != nil {
		t.Fatalf("%v\nhint: scripts/engine starts an engine", err)
	}
	return cli
}

// createVolume creates a volume until the test's end.
func createVolume(t *testing.T, cli *client.Client, name string, labels map[string]string) {
	t.Helper()
	if _, err := cli.VolumeCreate(t.Context(), volume.CreateOptions{Name: name, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := removeVolume(context.Background(), cli, name); err != nil {
			t.Error(err)
		}
	})
}

// run runs a container of an image to its end, on a network or, for "", the
// default bridge, and returns exit code and output.
func run(t *testing.T, cli *client.Client, image, networkName string, hosts []string, cmd ...string) (int64, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	created, err := cli.ContainerCreate(ctx, &container.Config{Image: image, Cmd: cmd},
		&container.HostConfig{NetworkMode: container.NetworkMode(networkName), ExtraHosts: hosts}, nil, nil, UniqueName("test"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := removeContainer(context.Background(), cli, created.ID); err != nil {
			t.Error(err)
		}
	}()
	if err := cli.ContainerStart(ctx, created.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	ended, failed := cli.ContainerWait(ctx, created.ID, container.WaitConditionNotRunning)
	select {
	case err := <-failed:
		t.Fatal(err)
	case end := <-ended:
		r := Registry{cli: cli, container: created.ID}
		return end.StatusCode, r.lastLines(ctx)
	}
	return 0, ""
}

// createNetwork creates a bridge network, as jobs have, until the test's end.
func createNetwork(t *testing.T, cli *client.Client) string {
	t.Helper()
	name := UniqueName("test")
	created, err := cli.NetworkCreate(t.Context(), name, network.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cli.NetworkRemove(context.Background(), created.ID); err != nil {
			t.Error(err)
		}
	})
	return name
}

func TestGatewayOf(t *testing.T) {
	tests := []struct {
		name    string
		configs []network.IPAMConfig
		want    string // "" for an error
	}{
		{"the gateway is given", []network.IPAMConfig{{Subnet: "172.17.0.0/16", Gateway: "172.17.0.5"}}, "172.17.0.5"},
		{"IPv6 comes first", []network.IPAMConfig{{Subnet: "fd00::/64", Gateway: "fd00::1"}, {Subnet: "10.0.0.0/24", Gateway: "10.0.0.1"}}, "10.0.0.1"},
		{"a bridge that was never used", []network.IPAMConfig{{Subnet: "172.18.0.0/16"}}, "172.18.0.1"},
		{"none", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := gatewayOf(tt.configs)
			if (err != nil) != (tt.want == "") || err == nil && got != netip.MustParseAddr(tt.want) {
				t.Errorf("gatewayOf = %v, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestRequireNamesEveryMissingImage(t *testing.T) {
	cli := newClient(t)
	err := Require(t.Context(), cli, imagePrefix+"no:1", ImageBusybox, imagePrefix+"no:2")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no:1", "no:2", "run scripts/images"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	if strings.Contains(err.Error(), ImageBusybox) {
		t.Errorf("error %q names an image that is there", err)
	}
}

func TestDerivedImageHasChangesAndFiles(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	files := []File{{Path: "/hello/greet", Mode: 0o755, Content: "#!/bin/sh\necho \"$GREETING $1\"\n"}}
	image := DeriveWith(t, cli, ImageBusybox, files, `ENTRYPOINT ["/hello/greet"]`, `CMD ["world"]`, "ENV GREETING=hello")

	if code, out := run(t, cli, image, "", nil); code != 0 || out != "hello world" {
		t.Errorf("it ends with %d and prints %q, want 0 and %q", code, out, "hello world")
	}
	if code, out := run(t, cli, image, "", nil, "you"); code != 0 || out != "hello you" {
		t.Errorf("it ends with %d and prints %q, want 0 and %q", code, out, "hello you")
	}
}

func TestDerivedImageIsRemoved(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	var image string
	t.Run("derive", func(t *testing.T) { image = Derive(t, cli, ImageBusybox, "USER 1000") })
	if err := Require(t.Context(), cli, image); err == nil {
		t.Errorf("%s is still there", image)
	}
	if err := Require(t.Context(), cli, ImageBusybox); err != nil {
		t.Error(err)
	}
}
