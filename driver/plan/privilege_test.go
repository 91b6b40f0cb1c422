package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

func TestRightsOfEachPrivilege(t *testing.T) {
	for name, c := range map[string]struct {
		privilege, runtime string
		privileged         bool
		rights             Rights
		data, configDir    string
		user               string
		fastBoot           bool
	}{
		"privileged, what docker:dind documents": {
			privilege: config.PrivilegePrivileged, privileged: true,
			data: "/var/lib/docker", configDir: "/etc/docker", user: "root", fastBoot: true,
		},
		"a runtime is ignored unless it is asked for": {
			privilege: config.PrivilegePrivileged, runtime: "sysbox-runc", privileged: true,
			data: "/var/lib/docker", configDir: "/etc/docker", user: "root", fastBoot: true,
		},
		"reduced, capabilities from a list": {
			privilege: config.PrivilegeReduced,
			rights: Rights{
				CapDrop: []string{"ALL"}, CapAdd: reducedCapabilities,
				Unconfined: true, PrivateCgroups: true, WritableCgroups: true,
			},
			data: "/var/lib/docker", configDir: "/etc/docker", user: "root", fastBoot: true,
		},
		"rootless, never root whatever the pipeline says": {
			privilege: config.PrivilegeRootless,
			rights: Rights{
				CapAdd: []string{"SYS_ADMIN"}, Unconfined: true, PrivateCgroups: true,
				Devices: []Device{{"/dev/net/tun", "/dev/net/tun", "rwm"}, {"/dev/fuse", "/dev/fuse", "rwm"}},
			},
			data: "/home/rootless/.local/share/docker", configDir: "/home/rootless/.config/docker", user: "1000",
		},
		"gvisor, capabilities that its own kernel looks at": {
			privilege: config.PrivilegeGVisor,
			rights:    Rights{CapDrop: []string{"ALL"}, CapAdd: reducedCapabilities, Runtime: "runsc"},
			data:      "/var/lib/docker", configDir: "/etc/docker", user: "root", fastBoot: true,
		},
		"gvisor under another name": {
			privilege: config.PrivilegeGVisor, runtime: "runsc-kvm",
			rights: Rights{CapDrop: []string{"ALL"}, CapAdd: reducedCapabilities, Runtime: "runsc-kvm"},
			data:   "/var/lib/docker", configDir: "/etc/docker", user: "root", fastBoot: true,
		},
		"runtime, an ordinary container on it": {
			privilege: config.PrivilegeRuntime, runtime: "sysbox-runc", rights: Rights{Runtime: "sysbox-runc"},
			data: "/var/lib/docker", configDir: "/etc/docker", user: "root", fastBoot: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Sidecar.Privilege, s.Sidecar.Runtime = c.privilege, c.runtime
			s.Network.MTU = 1400
			job.Services = []Service{{Image: Image{Name: "docker:dind-rootless", User: "root"}}, named("redis:7")}
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			got := p.Sidecar
			if diff := cmp.Diff(c.rights, got.Rights); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Privileged != c.privileged || got.DataPath != c.data || got.ConfigDir() != c.configDir || got.User != c.user || got.FastBoot != c.fastBoot {
				t.Errorf("privileged %t, data %s, config %s, user %s, fast boot %t", got.Privileged, got.DataPath, got.ConfigDir(), got.User, got.FastBoot)
			}
			if rootless := c.privilege == config.PrivilegeRootless; rootless != (got.Owner() == 1000) ||
				rootless != slices.Contains(got.Environment, "DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1400") {
				t.Errorf("owner %d, environment %q", got.Owner(), got.Environment)
			}
			for _, other := range []Container{p.Helper, p.Job.Container, p.Services[0]} {
				if other.Privileged || !cmp.Equal(other.Rights, Rights{}) {
					t.Errorf("%s: privileged %t, rights %+v", other.Role, other.Privileged, other.Rights)
				}
			}
		})
	}
}

func TestNoNewPrivilegesIsForTheJobContainerAlone(t *testing.T) {
	s, job, facts := example()
	s.Job.NoNewPrivileges = true
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Job.Rights.NoNewPrivileges || p.Sidecar.Rights.NoNewPrivileges || p.Helper.Rights.NoNewPrivileges {
		t.Errorf("job %+v, sidecar %+v, helper %+v", p.Job.Rights, p.Sidecar.Rights, p.Helper.Rights)
	}
}

func TestAPolicyChangesThePrivilege(t *testing.T) {
	s, job, facts := example()
	s.Policies = []config.Policy{{Sidecar: config.PolicySidecar{Privilege: config.PrivilegeRuntime, Runtime: "sysbox-runc"}}}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if p.Sidecar.Privileged || p.Sidecar.Rights.Runtime != "sysbox-runc" {
		t.Errorf("privileged %t, rights %+v", p.Sidecar.Privileged, p.Sidecar.Rights)
	}
}

func TestRootlessNeedsAnImageThatIsMadeForIt(t *testing.T) {
	s, job, facts := example()
	plain, _ := Build(s, job, facts)
	s.Sidecar.Privilege = config.PrivilegeRootless
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	image := DindImage{Volumes: []string{"/var/lib/docker"}}
	if _, _, err := plain.Sidecar.Fit(image, EngineHost{}); err != nil {
		t.Errorf("with root: %v", err)
	}
	if _, _, err := p.Sidecar.Fit(image, EngineHost{}); !fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "docker:dind-rootless") {
		t.Errorf("without root: %v", err)
	}
	image.Volumes = append(image.Volumes, "/home/rootless/.local/share/docker")
	if _, _, err := p.Sidecar.Fit(image, EngineHost{}); err != nil {
		t.Errorf("with the right image: %v", err)
	}
}

// Without writable cgroups the inner daemon would run, but no container in it.
func TestCgroupsAreMadeWritableBeforeAnyEntrypoint(t *testing.T) {
	rights := Rights{WritableCgroups: true}
	for name, c := range map[string]struct {
		sidecar  Sidecar
		image    []string
		imageCmd []string
		script   string
		argv     []string
	}{
		"the official one, the fast way": {
			Sidecar{FastBoot: true},
			[]string{"dockerd-entrypoint.sh"},
			[]string{"--debug"},
			takeFiles + writableCgroups + bootFast(false),
			[]string{"dockerd-entrypoint.sh", "--debug"},
		},
		"the official one, left to itself": {
			Sidecar{},
			[]string{"dockerd-entrypoint.sh"},
			[]string{"--debug"},
			writableCgroups + `exec "$@"`,
			[]string{"sh", "dockerd-entrypoint.sh", "--debug"},
		},
		"another one, with arguments": {
			Sidecar{FastBoot: true},
			[]string{"/init", "-x"},
			[]string{"dockerd"},
			writableCgroups + `exec "$@"`,
			[]string{"sh", "/init", "-x", "dockerd"},
		},
		"none": {
			Sidecar{FastBoot: true},
			nil,
			[]string{"dockerd"},
			writableCgroups + `exec "$@"`,
			[]string{"sh", "dockerd"},
		},
		"the pipeline's, which drops the image's command": {
			Sidecar{Container: Container{Entrypoint: []string{"/mine"}}, FastBoot: true},
			[]string{"dockerd-entrypoint.sh"},
			[]string{"--debug"},
			writableCgroups + `exec "$@"`,
			[]string{"sh", "/mine"},
		},
		"the pipeline's empty one": {
			Sidecar{Container: Container{Entrypoint: []string{""}, Command: []string{"dockerd"}}},
			[]string{"dockerd-entrypoint.sh"},
			nil,
			writableCgroups + `exec "$@"`,
			[]string{"sh", "dockerd"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.sidecar.Rights = rights
			entrypoint, command := c.sidecar.Boot(c.image, c.imageCmd)
			want := append([]string{"sh", "-c", c.script}, c.argv...)
			if diff := cmp.Diff(want, append(slices.Clone(entrypoint), command...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Name servers go where the boot puts them, in whatever way it begins. If an image boots in
// its own way, they go to daemon.json.
func TestNameServersReachTheDaemonUnderEachPrivilege(t *testing.T) {
	image := DindImage{Entrypoint: []string{"dockerd-entrypoint.sh"}, Volumes: []string{"/home/rootless/.local/share/docker"}}
	for privilege, byBoot := range map[string]bool{
		config.PrivilegePrivileged: true, config.PrivilegeReduced: true, config.PrivilegeRootless: false,
	} {
		s, job, facts := example()
		s.Sidecar.Privilege = privilege
		s.Network.DNS = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := p.Sidecar.Fit(image, EngineHost{})
		if err != nil {
			t.Fatal(err)
		}
		_, inConfig := got.DaemonConfig["dns"]
		if slices.Contains(got.Environment, bootDNS+"=198.51.100.1") != byBoot || inConfig == byBoot {
			t.Errorf("%s: environment %q, daemon.json %v", privilege, got.Environment, got.DaemonConfig["dns"])
		}
	}
}
