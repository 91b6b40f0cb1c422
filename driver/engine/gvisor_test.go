package engine

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/driver/plan"
)

// A data root in memory is a bounded mount from which programs run, and no volume.
func TestADataRootInMemoryIsNoVolume(t *testing.T) {
	p := testPlan(t)
	c := p.Sidecar.Container
	c.DataSize = 3 << 30
	host := SpecOf(p, c, "n", nil, withVolumes("/var/lib/docker", "/var/lib/docker/", "/data")).host
	if diff := cmp.Diff(map[string]string{"/var/lib/docker": "exec,mode=711,size=3221225472"}, host.Tmpfs); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var at []string
	for _, m := range host.Mounts {
		at = append(at, m.Target)
	}
	slices.Sort(at)
	if want := []string{"/builds", "/certs/client", "/data"}; !slices.Equal(at, want) {
		t.Errorf("volumes at %q, want %q", at, want)
	}
	c.DataFile = true
	host = SpecOf(p, c, "n", nil, withVolumes("/var/lib/docker")).host
	if host.Tmpfs != nil || host.Annotations != nil || !slices.ContainsFunc(host.Mounts, func(m mount.Mount) bool { return m.Target == "/var/lib/docker" && m.Source == "dind-0123456789ab-data" }) {
		t.Errorf("in a file: %+v", host)
	}
}

// The runtime keeps the mount in a file only if the engine hands on an annotation. An older
// engine would put the data root into the volume itself.
func TestADataRootInAFileNeedsAnnotations(t *testing.T) {
	speaks := func(version string) *Engine {
		api, err := client.NewClientWithOpts(client.WithVersion(version))
		if err != nil {
			t.Fatal(err)
		}
		return &Engine{api: api}
	}
	p := testPlan(t)
	spec := SpecOf(p, p.Sidecar.Container, "n", nil, withVolumes())
	for _, version := range []string{"1.43", "1.44", "1.51"} {
		got, err := speaks(version).InFile(spec, "/srv/docker/volumes/v/_data", 1<<30)
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		want := map[string]string{
			"dev.gvisor.spec.mount.data.source":  "/srv/docker/volumes/v/_data",
			"dev.gvisor.spec.mount.data.type":    "tmpfs",
			"dev.gvisor.spec.mount.data.share":   "container",
			"dev.gvisor.spec.mount.data.options": "rw,mode=711,size=1073741824",
		}
		if diff := cmp.Diff(want, got.host.Annotations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", version, diff)
		}
		if spec.host.Annotations != nil {
			t.Error("the other spec was changed")
		}
	}
	for _, version := range []string{"1.41", "1.42"} {
		if got, err := speaks(version).InFile(spec, "/x", 1<<30); !errors.Is(err, ErrNoAnnotations) || got.host.Annotations != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestTheRelayHasNoRights(t *testing.T) {
	threads := int64(128)
	got := Relay{
		Name: "dind-0123456789ab-relay", Image: "sha256:1", Labels: map[string]string{"k": "v"},
		Command: []string{plan.ProgramPath, plan.RelayCommand, plan.RelayListens, plan.DockerResolver},
		Network: "dind-0123456789ab", Address: netip.MustParseAddr("10.231.0.62"), Memory: 128 << 20, Threads: threads,
	}.Spec()
	host := &container.HostConfig{
		NetworkMode: "dind-0123456789ab", ReadonlyRootfs: true,
		CapDrop: []string{"ALL"}, CapAdd: []string{"NET_BIND_SERVICE"}, SecurityOpt: []string{"no-new-privileges"},
		Resources: container.Resources{Memory: 128 << 20, MemorySwap: 128 << 20, PidsLimit: &threads},
		LogConfig: got.host.LogConfig,
	}
	if diff := cmp.Diff(host, got.host); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.host.LogConfig.Config["max-size"] == "" {
		t.Errorf("its log has no bound: %+v", got.host.LogConfig)
	}
	at := map[string]*network.EndpointSettings{"dind-0123456789ab": {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.231.0.62"}}}
	if diff := cmp.Diff(at, got.network.EndpointsConfig); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
	if got.Name != "dind-0123456789ab-relay" || got.config.Labels["k"] != "v" || len(got.config.Env)+len(got.config.Volumes) > 0 {
		t.Errorf("not as asked: %+v", got.config)
	}
}

// A sidecar has a fixed address only if the plan names one.
func TestAnAddressOfThePlanIsTheContainers(t *testing.T) {
	p := testPlan(t)
	c := p.Sidecar.Container
	at := func() *network.EndpointSettings {
		return SpecOf(p, c, "n", nil, Image{}).network.EndpointsConfig["dind-0123456789ab"]
	}
	if got := at().IPAMConfig; got != nil {
		t.Errorf("without one it is asked for %+v", got)
	}
	c.IP = netip.MustParseAddr("10.231.0.61")
	if got := at(); got.IPAMConfig == nil || got.IPAMConfig.IPv4Address != "10.231.0.61" || len(got.Aliases) == 0 {
		t.Errorf("it is asked for %+v", got)
	}
}

func TestWhichContainerIsOrdinary(t *testing.T) {
	for name, c := range map[string]struct {
		host *container.HostConfig
		want bool
	}{
		"one on a runtime": {&container.HostConfig{Runtime: "sysbox-runc"}, true},
		"a privileged one": {&container.HostConfig{Privileged: true}, false},
		"with rights":      {&container.HostConfig{CapAdd: []string{"SYS_ADMIN"}}, false},
		"not told":         {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := details(container.InspectResponse{
				ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{}, HostConfig: c.host}, Config: &container.Config{},
			})
			if got.Ordinary != c.want {
				t.Errorf("ordinary is %t", got.Ordinary)
			}
		})
	}
}
