package plan

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

// inGVisor plans a job whose daemon has a kernel of its own.
func inGVisor(t *testing.T, change func(*config.Settings)) *Plan {
	t.Helper()
	s, job, facts := example()
	s.Sidecar.Privilege = config.PrivilegeGVisor
	job.Lasting, s.Cache.Layers = true, config.LayersProject
	s.Network.DNS = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
	s.Network.IPv6 = true
	if change != nil {
		change(&s)
	}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhatADaemonInGVisorIsTold(t *testing.T) {
	p := inGVisor(t, nil)
	for key, want := range map[string]any{"iptables": false, "ip6tables": false, "dns": nil} {
		if got := p.Sidecar.DaemonConfig[key]; got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if !p.Sidecar.Relay || p.Sidecar.Layers {
		t.Errorf("relay %t, layers %t", p.Sidecar.Relay, p.Sidecar.Layers)
	}
	other := inGVisor(t, func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegePrivileged })
	if other.Sidecar.Relay || other.Sidecar.DataSize != 0 || !other.Sidecar.Layers {
		t.Errorf("a privileged daemon has relay %t, size %d, layers %t", other.Sidecar.Relay, other.Sidecar.DataSize, other.Sidecar.Layers)
	}
}

// The program that keeps rights from another kernel comes first, whatever boots.
func TestADaemonInGVisorBootsBehindTheLookAtItsKernel(t *testing.T) {
	for name, c := range map[string]struct {
		fast  bool
		image []string
	}{
		"the fast way":       {true, []string{"dockerd-entrypoint.sh"}},
		"left to itself":     {false, []string{"dockerd-entrypoint.sh"}},
		"an image's own way": {true, []string{"/init"}},
		"no entrypoint":      {true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := inGVisor(t, func(s *config.Settings) { s.Sidecar.FastBoot = c.fast })
			entrypoint, _ := p.Sidecar.Boot(c.image, []string{"dockerd"})
			if len(entrypoint) < 3 || entrypoint[0] != "sh" || !strings.HasPrefix(strings.TrimPrefix(entrypoint[2], takeFiles), gvisor) {
				t.Errorf("it begins with %q", entrypoint)
			}
		})
	}
	if !strings.Contains(gvisor, "exit 1") {
		t.Error("the program ends nothing")
	}
}

func TestWhereADataRootOfGVisorLies(t *testing.T) {
	a := config.Admission{MinFreeDisk: 2 << 30, MinFreeMemory: 512 << 20}
	for storage, c := range map[string]struct {
		file   bool
		memory config.Size
	}{
		config.StorageMemory: {false, 512<<20 + 3<<30},
		config.StorageFile:   {true, 512 << 20},
	} {
		p := inGVisor(t, func(s *config.Settings) { s.GVisor = config.GVisor{Storage: storage, Size: 3 << 30} })
		if p.Sidecar.DataSize != 3<<30 || p.Sidecar.DataFile != c.file {
			t.Errorf("%s: %d bytes, in a file %t", storage, p.Sidecar.DataSize, p.Sidecar.DataFile)
		}
		if got := p.Admission(a); got.MinFreeMemory != c.memory || got.MinFreeDisk != a.MinFreeDisk {
			t.Errorf("%s: a job waits for %+v", storage, got)
		}
	}
}

func TestAdmissionCountsADataRootInMemory(t *testing.T) {
	a := config.Admission{MinFreeMemory: 512 << 20}
	p := inGVisor(t, func(s *config.Settings) { s.GVisor.Size = 1 << 30 })
	if got := Lacks(p.Admission(a).Admission, Free{Disk: -1, Memory: 1 << 30}); got != "1 GB of memory are free, 1.5 GB are wanted" {
		t.Errorf("it lacks %q", got)
	}
	s, job, facts := example()
	other, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if got := other.Admission(a); got != (Demand{Admission: a}) {
		t.Errorf("a privileged daemon waits for %+v", got)
	}
}

// A sandbox with another storage or size serves no other job.
func TestWhatWaitsInGVisorFitsItsStorage(t *testing.T) {
	specs := map[string]string{}
	for name, change := range map[string]func(*config.Settings){
		"as it is":       nil,
		"in a file":      func(s *config.Settings) { s.GVisor.Storage = config.StorageFile },
		"larger":         func(s *config.Settings) { s.GVisor.Size *= 2 },
		"another name":   func(s *config.Settings) { s.Sidecar.Runtime = "runsc-kvm" },
		"not of gVisor":  func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegePrivileged },
		"with a reduced": func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegeReduced },
	} {
		spec := inGVisor(t, change).Spec
		if other, twice := specs[spec]; twice {
			t.Errorf("%s fits %s", name, other)
		}
		specs[spec] = name
	}
}

// The program in the sidecar that makes packet rules needs the address of the daemon's
// bridge.
func TestASidecarInGVisorKnowsTheAddressOfItsBridge(t *testing.T) {
	p := inGVisor(t, nil)
	environment := slices.Clone(p.Sidecar.Environment)
	got, _, err := p.Sidecar.Fit(DindImage{Docker: ParseVersion("28.5.2"), Entrypoint: []string{"dockerd-entrypoint.sh"}}, EngineHost{})
	if err != nil {
		t.Fatal(err)
	}
	if bip := got.DaemonConfig["bip"]; bip != "10.232.0.1/20" {
		t.Fatalf("bip is %q", bip)
	}
	if !slices.Contains(got.Environment, bridgeVariable+"=10.232.0.1 10.232.0.0/20 10.232.128.0/17") {
		t.Errorf("environment %q", got.Environment)
	}
	own := p.Sidecar
	own.Command = []string{"--bip=10.9.0.1/24"}
	got, _, err = own.Fit(DindImage{Docker: ParseVersion("28.5.2")}, EngineHost{})
	if err != nil || !slices.Contains(got.Environment, bridgeVariable+"=") {
		t.Errorf("with another bridge: environment %q, %v", got.Environment, err)
	}
	if !slices.Equal(p.Sidecar.Environment, environment) {
		t.Error("the plan was changed")
	}
	other, _, err := fitted(t, DindImage{Docker: ParseVersion("28.5.2")}, EngineHost{})
	if err != nil || slices.ContainsFunc(other.Environment, func(kv string) bool { return strings.HasPrefix(kv, bridgeVariable) }) {
		t.Errorf("a privileged sidecar has %q, %v", other.Environment, err)
	}
}

func TestWhereARelayIs(t *testing.T) {
	for subnet, want := range map[string][2]string{
		"10.231.0.0/26":   {"10.231.0.62", "10.231.0.61"},
		"10.231.0.64/26":  {"10.231.0.126", "10.231.0.125"},
		"10.231.255.0/24": {"10.231.255.254", "10.231.255.253"},
		"172.20.0.0/16":   {"172.20.255.254", "172.20.255.253"},
		"10.231.0.17/28":  {"10.231.0.30", "10.231.0.29"}, // masked
	} {
		prefix := netip.MustParsePrefix(subnet)
		relay, relayed := RelayAddress(prefix), SidecarAddress(prefix)
		if relay.String() != want[0] || relayed.String() != want[1] || !prefix.Masked().Contains(relay) || !prefix.Masked().Contains(relayed) {
			t.Errorf("%s: %s and %s, want %q", subnet, relay, relayed, want)
		}
	}
}

func TestVariantsOfSettings(t *testing.T) {
	s, _, _ := example()
	s.Sidecar.Privilege, s.Sidecar.Runtime = config.PrivilegeRuntime, "sysbox-runc"
	s.Policies = []config.Policy{
		{Sidecar: config.PolicySidecar{Privilege: config.PrivilegeGVisor}},
		{Sidecar: config.PolicySidecar{Privilege: config.PrivilegeGVisor, Runtime: "runsc-kvm"}},
		{},
	}
	want := []string{"runtime sysbox-runc", "gvisor ", "gvisor runsc-kvm", "runtime sysbox-runc"}
	var got []string
	for _, v := range Variants(s) {
		got = append(got, v.Sidecar.Privilege+" "+v.Sidecar.Runtime)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// With IPv6 on its bridges dockerd does not start in gVisor.
func TestADaemonInGVisorHasIPv4Alone(t *testing.T) {
	p := inGVisor(t, func(s *config.Settings) { s.Network.IPv6 = true })
	for _, key := range []string{"ipv6", "fixed-cidr-v6", "experimental"} {
		if v, there := p.Sidecar.DaemonConfig[key]; there {
			t.Errorf("%s is %v", key, v)
		}
	}
	if !p.Network.Pool6.IsValid() || p.Sidecar.DaemonConfig["ip6tables"] != false {
		t.Errorf("network %+v, daemon %v", p.Network, p.Sidecar.DaemonConfig)
	}
}

// doctor names the same room that jobs wait for.
func TestRoomIsWhatAJobWaitsFor(t *testing.T) {
	for name, change := range map[string]func(*config.Settings){
		"in memory":  func(*config.Settings) {},
		"in a file":  func(s *config.Settings) { s.GVisor.Storage = config.StorageFile },
		"privileged": func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegePrivileged },
		"rootless":   func(s *config.Settings) { s.Sidecar.Privilege = config.PrivilegeRootless },
	} {
		s, job, facts := example()
		s.Sidecar.Privilege, s.Admission.MinFreeMemory = config.PrivilegeGVisor, 1<<30
		change(&s)
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := Room(s), p.Admission(s.Admission); got != want {
			t.Errorf("%s: %+v, and a job waits for %+v", name, got, want)
		}
	}
}
