package engine

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/driver/plan"
)

// The engine refuses names and name servers for a container that joins another.
func TestAContainerThatJoinsAnotherHasNothingOfItsOwnThere(t *testing.T) {
	p := testPlan(t)
	c := p.Sidecar.Container
	c.Joins, c.ExtraHosts, c.DNS, c.Hostname = "seat", []string{"a:192.0.2.1"}, []netip.Addr{netip.MustParseAddr("192.0.2.53")}, "name"
	got := SpecOf(p, c, "n", nil, Image{})
	if got.host.NetworkMode != "container:seat" || got.network != nil || got.config.Hostname != "" || got.host.ExtraHosts != nil || got.host.DNS != nil {
		t.Errorf("%+v %+v %+v", got.host, got.network, got.config)
	}
	next, err := Details{raw: container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{HostConfig: got.host},
		Config:            &container.Config{Hostname: "name-of-the-other"},
		NetworkSettings:   &container.NetworkSettings{},
	}}.Successor("m", p.Sandbox, nil, func(string) (string, map[string]string) { return "", nil })
	if err != nil || next.network != nil || next.config.Hostname != "" || next.host.NetworkMode != "container:seat" {
		t.Errorf("its successor: %+v %+v, %v", next.host, next.config, err)
	}
}

func TestASeatMayDoNothing(t *testing.T) {
	p := testPlan(t)
	c := p.Seat(netip.MustParsePrefix("10.231.4.0/24"))
	spec := Seat{
		Name: "s", Image: "i", Of: Image{Volumes: []string{"/data"}}, Command: c.Entrypoint, Network: "dind-" + p.Sandbox,
		Address: c.IP, Address6: c.IP6, Hostname: c.Hostname, Aliases: c.Aliases, Memory: 1 << 20, Threads: 4,
	}.Spec()
	h, at := spec.host, spec.network.EndpointsConfig["dind-"+p.Sandbox]
	if !h.ReadonlyRootfs || strings.Join(h.CapDrop, "") != "ALL" || len(h.CapAdd) > 0 || h.Privileged || len(h.Mounts) > 0 || *h.PidsLimit != 4 {
		t.Errorf("it may do more: %+v", h)
	}
	if _, there := h.Tmpfs["/data"]; !there {
		t.Error("the engine would make a volume for it")
	}
	if at.IPAMConfig.IPv4Address != plan.SidecarAddress(netip.MustParsePrefix("10.231.4.0/24")).String() || len(at.Aliases) == 0 {
		t.Errorf("at %+v as %q", at.IPAMConfig, at.Aliases)
	}
	if at := (Seat{Network: "n"}).Spec().network.EndpointsConfig["n"]; at.IPAMConfig != (*network.EndpointIPAMConfig)(nil) {
		t.Errorf("without an address it has %+v", at.IPAMConfig)
	}
}
