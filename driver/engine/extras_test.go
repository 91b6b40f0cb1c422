package engine

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

func TestExtrasAreTranslated(t *testing.T) {
	p := testPlan(t)
	c := p.Job.Container
	c.DNS, c.DNSSearch = []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("fd00::53")}, []string{"example.com"}
	c.Rights = plan.Rights{
		DeviceRules: []string{"c 1:* r"}, SecurityOpt: []string{"apparmor=x"}, GPUs: &plan.GPUs{Count: -1},
		Devices: []plan.Device{{Host: "/dev/a", Path: "/dev/b", Permissions: "r"}},
	}
	c.Limits = plan.Limits{
		NanoCPUs: 1, Memory: 4 << 20, MemorySwap: 8 << 20, MemoryReservation: 2 << 20, CPUShares: 512,
		CPUSetCPUs: "0-1", CPUSetMems: "0", CgroupParent: "ci.slice",
	}
	c.Extras = plan.Extras{
		Binds: []plan.Bind{{Source: "/srv/a", Target: "/a", ReadOnly: true}},
		Tmpfs: map[string]string{"/run": "size=64m"}, ShmSize: 1 << 20, Ulimits: []plan.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}},
		Sysctls: map[string]string{"net.core.somaxconn": "7"}, GroupAdd: []string{"44"}, OOMScore: 500, MAC: "02:00:00:00:00:01",
		Labels: map[string]string{"team": "red", label.Sandbox: "another", "GITLAB-DIND-EXECUTOR.job": "x"},
		// The settings do not change the bounds of the log.
		LogOptions: map[string]string{"labels": "team", "max-size": "1k"},
	}
	own := map[string]string{label.Sandbox: p.Sandbox, label.Role: "job"}
	spec := SpecOf(p, c, "n", own, withVolumes("/a", "/run", "/data"))
	got := spec.host
	want := container.HostConfig{
		DNS: []string{"192.0.2.53", "fd00::53"}, DNSSearch: []string{"example.com"}, ShmSize: 1 << 20,
		Tmpfs: map[string]string{"/run": "size=64m"}, Sysctls: map[string]string{"net.core.somaxconn": "7"},
		GroupAdd: []string{"44"}, OomScoreAdj: 500, SecurityOpt: []string{"apparmor=x"},
		LogConfig: container.LogConfig{Type: "json-file", Config: map[string]string{"labels": "team", "max-size": "64m", "max-file": "2"}},
	}
	want.Resources = container.Resources{
		NanoCPUs: 1, Memory: 4 << 20, MemorySwap: 8 << 20, MemoryReservation: 2 << 20, CPUShares: 512,
		CpusetCpus: "0-1", CpusetMems: "0", CgroupParent: "ci.slice",
	}
	want.Ulimits = []*container.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}}
	want.DeviceCgroupRules = []string{"c 1:* r"}
	want.Devices = []container.DeviceMapping{{PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r"}}
	want.DeviceRequests = []container.DeviceRequest{{Count: -1, Capabilities: [][]string{{"gpu"}}}}
	want.NetworkMode, want.Mounts, want.ExtraHosts = got.NetworkMode, got.Mounts, got.ExtraHosts
	if d := cmp.Diff(&want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var scratch []string
	for _, m := range got.Mounts {
		if m.Type == mount.TypeBind && (m.Source != "/srv/a" || m.Target != "/a" || !m.ReadOnly) {
			t.Errorf("a bind mount: %+v", m)
		}
		if m.VolumeOptions != nil && m.VolumeOptions.Labels[label.Role] == string(plan.RoleScratch) {
			scratch = append(scratch, m.Target)
		}
	}
	if !slices.Equal(scratch, []string{"/data"}) { // a second mount at the same path would be an error
		t.Errorf("VOLUMEs of the image at %q, want that at /data alone", scratch)
	}
	labels := spec.config.Labels
	if labels["team"] != "red" || labels[label.Sandbox] != p.Sandbox || labels[label.Role] != "job" || labels["GITLAB-DIND-EXECUTOR.job"] != "" {
		t.Errorf("labels %v", labels)
	}
	if mac := spec.network.EndpointsConfig[label.NetworkName(p.Sandbox)].MacAddress; mac != "02:00:00:00:00:01" {
		t.Errorf("MAC address %q", mac)
	}
}

func TestAMACAddressIsWhereTheEngineLooksForIt(t *testing.T) {
	p := testPlan(t)
	c := p.Job.Container
	c.Extras.MAC = "02:00:00:00:00:01"
	spec := SpecOf(p, c, "n", nil, withVolumes())
	at := func(n *network.NetworkingConfig) string {
		return n.EndpointsConfig[label.NetworkName(p.Sandbox)].MacAddress
	}
	for api, early := range map[string]bool{"1.41": true, "1.43": true, "1.44": false, "1.51": false} {
		client, err := client.NewClientWithOpts(client.WithVersion(api))
		if err != nil {
			t.Fatal(err)
		}
		e := &Engine{api: client}
		got := e.withMAC(spec)
		//lint:ignore SA1019 engines before 25.0 know no other place
		if inConfig := got.config.MacAddress; (inConfig != "") != early || (at(got.network) != "") == early {
			t.Errorf("%s: with the container %q, with the network %q", api, inConfig, at(got.network))
		}
		if aliases := got.network.EndpointsConfig[label.NetworkName(p.Sandbox)].Aliases; !slices.Equal(aliases, c.Aliases) {
			t.Errorf("%s: aliases %q", api, aliases)
		}
	}
	if at(spec.network) == "" {
		t.Error("the spec itself has changed")
	}
}

// The settings are to blame if a host refuses a setting of theirs, and the message says so. The
// words are from 20.10.24 with runc 1.1, and from moby's sources since.
func TestWhatAHostRefusesOfTheSettings(t *testing.T) {
	const runc = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: "
	for text, want := range map[string]Refusal{
		runc + "open /proc/sys/net/core/nope: no such file or directory: unknown":                                                                     NoSetting,
		runc + "write /proc/sys/net/core/somaxconn: invalid argument: unknown":                                                                        NoSetting,
		runc + `error mounting "tmpfs" to rootfs at "/x": mount tmpfs:/x (via /proc/self/fd/6), flags: 0xe, data: size=zz: invalid argument: unknown`: NoSetting,
		runc + "error setting rlimits for ready process: error setting rlimit type 7: operation not permitted: unknown":                               NoSetting,
		"Requested CPUs are not available - requested 77, available: 0-1":                                                                             NoSetting,
		"Requested memory nodes are not available - requested 7, available: 0":                                                                        NoSetting,
		`cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"`:                                                               NoSetting,
		"Unable to find group nope: no matching entries in group file":                                                                                NoGroup,
		`could not select device driver "" with capabilities: [[gpu]]`:                                                                                NoGPU,
		`error gathering device information while adding custom device "/dev/nope": no such file or directory`:                                        NoDevice,
	} {
		err := errors.New("Error response from daemon: " + text)
		for _, r := range []Refusal{NoSetting, NoGroup, NoGPU, NoDevice, NoUser, NoProgram} {
			if Refused(err, r) != (r == want) {
				t.Errorf("%q: refusal %d is %t", text, r, r != want)
			}
		}
		if explained := StartFault("ruby:3", err); explained == nil || !strings.Contains(explained.Error(), "ruby:3") {
			t.Errorf("%q: %v", text, explained)
		}
	}
}
