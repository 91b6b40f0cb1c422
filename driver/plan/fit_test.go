package plan

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/fault"
)

// fitted plans a job with the variables and fits its sidecar to an image.
func fitted(t *testing.T, image DindImage, host EngineHost, variables ...string) (Sidecar, []string, error) {
	t.Helper()
	s, job, facts := example()
	s.Network.IPv6 = true
	s.Sidecar.RegistryMirrors = []string{"https://a.example.com/", "https://b.example.com/hub", "http://c.example.com:5000"}
	job.Variables = vars(variables...)
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	before := maps.Clone(p.Sidecar.DaemonConfig)
	fit, warnings, err := p.Sidecar.Fit(image, host)
	if diff := cmp.Diff(before, p.Sidecar.DaemonConfig); diff != "" {
		t.Errorf("the plan was changed:\n%s", diff)
	}
	return fit, warnings, err
}

// A daemon does not start with an unknown key.
func TestWhatEachVersionOfDockerIsTold(t *testing.T) {
	all := []string{"bip", "default-address-pools", "default-network-opts", "dns", "experimental", "fixed-cidr-v6", "ip6tables", "ipv6", "mtu", "registry-mirrors"}
	const minAPI = "DOCKER_MIN_API_VERSION=1.24"
	for name, c := range map[string]struct {
		version string
		without []string
		mirrors int
		minAPI  bool
	}{
		"one that is not known": {"", []string{"default-network-opts"}, 2, false},
		"17.05":                 {"17.05.0-ce", []string{"default-network-opts", "default-address-pools", "ip6tables"}, 2, false},
		"18.03":                 {"18.03.1-ce", []string{"default-network-opts", "default-address-pools", "ip6tables"}, 2, false},
		"18.06":                 {"18.06.3-ce", []string{"default-network-opts", "ip6tables"}, 2, false},
		"19.03":                 {"19.03.15", []string{"default-network-opts", "ip6tables"}, 2, false},
		"20.10":                 {"20.10.16", []string{"default-network-opts"}, 2, false},
		"23.0":                  {"23.0.6", []string{"default-network-opts"}, 2, false},
		"24.0":                  {"24.0.0", nil, 3, false},
		"26.1":                  {"26.1.5", nil, 3, false},
		"28.5":                  {"28.5.2", nil, 3, false},
		"29.0":                  {"29.0.0", nil, 3, true},
		"29.3":                  {"29.3.1", nil, 3, true},
		"one to come":           {"30.0.0", nil, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := fitted(t, DindImage{Docker: ParseVersion(c.version)}, EngineHost{})
			if err != nil || len(warnings) > 0 {
				t.Fatalf("warnings %q, error %v", warnings, err)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(k string) bool { return slices.Contains(c.without, k) })
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got.DaemonConfig))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if mirrors := got.DaemonConfig["registry-mirrors"].([]string); len(mirrors) != c.mirrors {
				t.Errorf("mirrors %q, want %d", mirrors, c.mirrors)
			}
			if slices.Contains(got.Environment, minAPI) != c.minAPI {
				t.Errorf("environment %q", got.Environment)
			}
		})
	}
}

// The engine drops an image's command when it gets another.
func TestOurArgumentsLeaveTheImagesOwnCommandThere(t *testing.T) {
	s, job, facts := example()
	job.Services = []Service{{Image: Image{Name: "docker:28-dind"}, Variables: vars("DOCKER_TLS_CERTDIR=")}}
	for name, c := range map[string]struct {
		declared, entrypoint, image, want []string
	}{
		"flags of the image":      {image: []string{"--mtu=1300"}, want: []string{"--tls=false", "--mtu=1300"}},
		"dockerd in the image":    {image: []string{"dockerd", "--mtu=1300"}, want: []string{"dockerd", "--tls=false", "--mtu=1300"}},
		"the service's own comes": {declared: []string{"--debug"}, image: []string{"--mtu=1300"}, want: []string{"--tls=false", "--debug"}},
		"an entrypoint drops it":  {entrypoint: []string{"dockerd"}, image: []string{"--mtu=1300"}, want: []string{"--tls=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			job.Services[0].Command, job.Services[0].Entrypoint = c.declared, c.entrypoint
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := p.Sidecar.Fit(DindImage{Entrypoint: []string{"entry.sh"}, Command: c.image}, EngineHost{})
			if diff := cmp.Diff(c.want, got.Command); diff != "" || err != nil {
				t.Errorf("error %v, (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestTheImagesOwnFlagsKeepTheirKeysOutOfTheDaemonConfig(t *testing.T) {
	got, _, err := fitted(t, DindImage{Docker: Version{28, 1}, Entrypoint: []string{"dockerd-entrypoint.sh"}, Command: []string{"--mtu=1300"}}, EngineHost{})
	if err != nil {
		t.Fatal(err)
	}
	if _, there := got.DaemonConfig["mtu"]; there || !slices.Contains(got.Command, "--mtu=1300") {
		t.Errorf("daemon.json %v, command %q", got.DaemonConfig, got.Command)
	}
}

func TestAServicesOwnMinimumOfTheAPIIsKept(t *testing.T) {
	s, job, facts := example()
	job.Services = []Service{{Image: Image{Name: "docker:29-dind"}, Variables: vars("DOCKER_MIN_API_VERSION=1.44")}}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := p.Sidecar.Fit(DindImage{Docker: Version{29, 0}}, EngineHost{})
	if err != nil || slices.Contains(got.Environment, minAPI) {
		t.Errorf("environment %q, error %v", got.Environment, err)
	}
}

func TestImagesThatCannotRunOnCgroupV2EndTheJob(t *testing.T) {
	for name, c := range map[string]struct {
		version, cgroup string
		asks, fails     bool
	}{
		"19.03 on v2":                  {"19.03.15", "2", true, true},
		"18.09 on v2":                  {"18.09.9", "2", true, true},
		"19.03 on v1":                  {"19.03.15", "1", true, false},
		"19.03 on an engine before it": {"19.03.15", "", true, false},
		"20.10 on v2":                  {"20.10.0", "2", false, false},
		"28 on v2":                     {"28.1.1", "2", false, false},
		"no version on v2":             {"", "2", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			image := DindImage{Docker: ParseVersion(c.version)}
			if asks := (Sidecar{}).AsksHost(image); asks != c.asks {
				t.Errorf("asks %t", asks)
			}
			_, _, err := fitted(t, image, EngineHost{CgroupVersion: c.cgroup})
			if (err != nil) != c.fails {
				t.Fatalf("error %v", err)
			}
			if c.fails && (!fault.IsOfJob(err) || !strings.Contains(err.Error(), "docker:dind cannot run here: docker "+image.Docker.String()) ||
				!strings.Contains(fault.HintOf(err), "20.10")) {
				t.Errorf("error %v, of job %t, hint %q", err, fault.IsOfJob(err), fault.HintOf(err))
			}
		})
	}
}

func TestStorageDriverThatAPipelineNames(t *testing.T) {
	for name, c := range map[string]struct {
		job, service []string
		version, fs  string
		env, warning string
		asks         bool
	}{
		"none":                           {version: "26.1.5"},
		"an empty one":                   {job: []string{"DOCKER_DRIVER="}, version: "26.1.5"},
		"the usual one":                  {job: []string{"DOCKER_DRIVER=overlay2"}, version: "26.1.5"},
		"vfs":                            {job: []string{"DOCKER_DRIVER=vfs"}, version: "26.1.5", env: "DOCKER_DRIVER=vfs"},
		"vfs of an unknown version":      {job: []string{"DOCKER_DRIVER=vfs"}, env: "DOCKER_DRIVER=vfs"},
		"vfs of the service":             {service: []string{"DOCKER_DRIVER=vfs"}, version: "26.1.5", env: "DOCKER_DRIVER=vfs"},
		"the service's before the job's": {job: []string{"DOCKER_DRIVER=aufs"}, service: []string{"DOCKER_DRIVER=vfs"}, version: "26.1.5", env: "DOCKER_DRIVER=vfs"},
		"overlay, long gone":             {job: []string{"DOCKER_DRIVER=overlay"}, version: "26.1.5", warning: "DOCKER_DRIVER=overlay is ignored: docker 26 has no such storage driver"},
		"overlay where it was":           {job: []string{"DOCKER_DRIVER=overlay"}, version: "20.10.16", warning: "DOCKER_DRIVER=overlay is ignored: overlay2 serves better here"},
		"aufs":                           {job: []string{"DOCKER_DRIVER=aufs"}, version: "26.1.5", warning: "DOCKER_DRIVER=aufs is ignored: docker 26 has no such storage driver"},
		"aufs of an unknown version":     {job: []string{"DOCKER_DRIVER=aufs"}, warning: "DOCKER_DRIVER=aufs is ignored: overlay2 serves better here"},
		"devicemapper in its last":       {job: []string{"DOCKER_DRIVER=devicemapper"}, version: "24.0.9", warning: "DOCKER_DRIVER=devicemapper is ignored: overlay2 serves better here"},
		"devicemapper after that":        {job: []string{"DOCKER_DRIVER=devicemapper"}, version: "25.0.0", warning: "DOCKER_DRIVER=devicemapper is ignored: docker 25 has no such storage driver"},
		"fuse-overlayfs":                 {job: []string{"DOCKER_DRIVER=fuse-overlayfs"}, version: "26.1.5", warning: "DOCKER_DRIVER=fuse-overlayfs is ignored: overlay2 serves better here"},
		"btrfs on btrfs":                 {job: []string{"DOCKER_DRIVER=btrfs"}, version: "26.1.5", fs: "btrfs", env: "DOCKER_DRIVER=btrfs", asks: true},
		"btrfs elsewhere":                {job: []string{"DOCKER_DRIVER=btrfs"}, version: "26.1.5", fs: "extfs", warning: "DOCKER_DRIVER=btrfs is ignored: it needs btrfs under this host's volumes", asks: true},
		"zfs elsewhere":                  {job: []string{"DOCKER_DRIVER=zfs"}, version: "26.1.5", fs: "xfs", warning: "DOCKER_DRIVER=zfs is ignored: it needs zfs under this host's volumes", asks: true},
		"a word that is none":            {job: []string{"DOCKER_DRIVER=s3cret"}, version: "26.1.5", warning: "DOCKER_DRIVER is ignored: docker has no storage driver of that name"},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			job.Variables = vars(c.job...)
			job.Services = []Service{{Image: Image{Name: "docker:dind"}, Variables: vars(c.service...)}}
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			image := DindImage{Docker: ParseVersion(c.version)}
			if asks := p.Sidecar.AsksHost(image); asks != c.asks {
				t.Errorf("asks %t", asks)
			}
			got, warnings, err := p.Sidecar.Fit(image, EngineHost{Filesystem: c.fs})
			if err != nil {
				t.Fatal(err)
			}
			env := slices.DeleteFunc(slices.Clone(got.Environment), func(kv string) bool { return !strings.HasPrefix(kv, "DOCKER_DRIVER") })
			if strings.Join(env, " ") != c.env || strings.Join(warnings, "\n") != c.warning {
				t.Errorf("environment %q, warnings %q", env, warnings)
			}
		})
	}
}

func TestNameServersStandBehindDockersOwnWhereTheSidecarBootsFast(t *testing.T) {
	sc := Sidecar{FastBoot: true, DaemonConfig: map[string]any{"dns": []string{"192.0.2.53", "192.0.2.54"}}}
	official := DindImage{Entrypoint: []string{"dockerd-entrypoint.sh"}}
	fast, _, err := sc.Fit(official, EngineHost{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := fast.DaemonConfig["dns"]; ok || !slices.Contains(fast.Environment, bootDNS+"=192.0.2.53 192.0.2.54") {
		t.Errorf("the daemon would not know the sandbox's names: %v %v", fast.DaemonConfig, fast.Environment)
	}
	sc.FastBoot = false
	slow, _, err := sc.Fit(official, EngineHost{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := slow.DaemonConfig["dns"]; !ok || len(slow.Environment) > 0 {
		t.Errorf("without our boot the daemon has no name servers: %v %v", slow.DaemonConfig, slow.Environment)
	}
	sc.FastBoot, sc.Command = true, []string{"--dns=192.0.2.1"}
	if own, _, err := sc.Fit(official, EngineHost{}); err != nil || len(own.Environment) > 0 {
		t.Errorf("the job's own name servers are not alone: %v %v", own.Environment, err)
	}
}
