package plan

import (
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// generous returns settings that give job containers and services all possible extras.
func generous() config.Settings {
	s, _, _ := example()
	all := config.Container{
		Volumes: []string{"/srv/a:/a", "/srv/b:/b:ro"}, Tmpfs: map[string]string{"/run": "rw,size=64m"}, ShmSize: 1 << 20,
		Ulimit: map[string]string{"nofile": "1024:2048", "core": "-1"}, Sysctls: map[string]string{"net.core.somaxconn": "7"},
		CapDrop: []string{"cap_net_raw"}, NoNewPrivileges: true,
		ContainerLabels: map[string]string{"team": "$TEAM"}, LogOptions: map[string]string{"labels": "team"},
	}
	s.Job.Container, s.Services.Container = all, all
	s.Job.Hostname, s.Job.MACAddress, s.Job.GroupAdd, s.Job.OOMScoreAdjust = "build", "02:00:00:00:00:01", []string{"44"}, 500
	s.Network.DNS, s.Network.DNSSearch = []netip.Addr{netip.MustParseAddr("192.0.2.53")}, []string{"example.com"}
	s.Policies = []config.Policy{{
		Projects: []string{"platform/**"},
		Job: config.PolicyJob{Rights: config.Rights{
			CapAdd: []string{"SYS_PTRACE"}, SecurityOpt: []string{"apparmor=x"}, Devices: []string{"/dev/kvm", "/dev/a:/dev/b:r"},
			DeviceCgroupRules: []string{"c 1:* r"}, GPUs: `"device=0,1"`, Runtime: "kata",
		}},
		Services: config.PolicyServices{ServiceRights: config.ServiceRights{
			SecurityOpt: []string{"seccomp=unconfined"}, GPUs: "all",
			Devices: map[string][]string{"docker.io/library/redis:*": {"/dev/kvm"}, "docker.io/library/postgres:*": {"/dev/fuse"}},
		}},
	}}
	return s
}

// planFor returns the plan of the example's job in a project, with a service.
func planFor(t *testing.T, s config.Settings, project string) *Plan {
	t.Helper()
	_, job, facts := example()
	job.Project = project
	job.Services = []Service{named("redis:7")}
	job.Variables = append(job.Variables, Variable{Key: "TEAM", Value: "red"})
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhatTheSettingsGiveToContainers(t *testing.T) {
	p := planFor(t, generous(), "platform/app")
	both := Extras{
		Binds: []Bind{{Source: "/srv/a", Target: "/a"}, {Source: "/srv/b", Target: "/b", ReadOnly: true}},
		Tmpfs: map[string]string{"/run": "rw,size=64m"}, ShmSize: 1 << 20,
		Ulimits: []Ulimit{{"core", -1, -1}, {"nofile", 1024, 2048}}, Sysctls: map[string]string{"net.core.somaxconn": "7"},
		Labels: map[string]string{"team": "red"}, LogOptions: map[string]string{"labels": "team"},
	}
	if d := cmp.Diff(both, p.Services[0].Extras); d != "" {
		t.Errorf("the service (-want +got):\n%s", d)
	}
	jobs := both
	jobs.GroupAdd, jobs.OOMScore, jobs.MAC = []string{"44"}, 500, "02:00:00:00:00:01"
	if d := cmp.Diff(jobs, p.Job.Extras); d != "" {
		t.Errorf("the job container (-want +got):\n%s", d)
	}
	if p.Job.Hostname != "build" || p.In("abcdefabcdef").Job.Hostname != "build" {
		t.Errorf("the job container is called %s", p.Job.Hostname)
	}
	wantJob := Rights{
		CapAdd: []string{"SYS_PTRACE"}, CapDrop: []string{"NET_RAW"}, NoNewPrivileges: true, SecurityOpt: []string{"apparmor=x"},
		Devices:     []Device{{"/dev/kvm", "/dev/kvm", "rwm"}, {"/dev/a", "/dev/b", "r"}},
		DeviceRules: []string{"c 1:* r"}, GPUs: &GPUs{IDs: []string{"0", "1"}}, Runtime: "kata",
	}
	if d := cmp.Diff(wantJob, p.Job.Rights); d != "" {
		t.Errorf("the job container (-want +got):\n%s", d)
	}
	wantService := Rights{
		CapDrop: []string{"NET_RAW"}, NoNewPrivileges: true, SecurityOpt: []string{"seccomp=unconfined"},
		Devices: []Device{{"/dev/kvm", "/dev/kvm", "rwm"}}, GPUs: &GPUs{Count: -1},
	}
	if d := cmp.Diff(wantService, p.Services[0].Rights); d != "" {
		t.Errorf("the service (-want +got):\n%s", d)
	}
	p.each(func(c *Container) {
		if len(c.DNS) != 1 || !slices.Equal(c.DNSSearch, []string{"example.com"}) {
			t.Errorf("the %s asks %v for %v", c.Role, c.DNS, c.DNSSearch)
		}
	})
}

// Settings for job containers never change sidecar and helper.
func TestNothingOfItReachesTheSidecar(t *testing.T) {
	for _, privilege := range config.Privileges {
		s, _, _ := example()
		s.Sidecar.Privilege, s.Sidecar.Runtime = privilege, "sysbox-runc"
		all := generous()
		all.Sidecar = s.Sidecar
		all.Network = s.Network // names and name servers are for all containers
		plain, rich := planFor(t, s, "platform/app"), planFor(t, all, "platform/app")
		if d := cmp.Diff(plain.Sidecar, rich.Sidecar, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); d != "" {
			t.Errorf("%s: the sidecar (-without +with):\n%s", privilege, d)
		}
		if d := cmp.Diff(plain.Helper, rich.Helper, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); d != "" {
			t.Errorf("%s: the helper (-without +with):\n%s", privilege, d)
		}
		if plain.Spec != rich.Spec {
			t.Errorf("%s: a sandbox that waits does not fit", privilege)
		}
	}
}

// Without a policy, a job has no rights: the container of another project is ordinary.
func TestRightsAreForTheProjectsOfAPolicyAlone(t *testing.T) {
	p := planFor(t, generous(), "other/app")
	none := Rights{CapDrop: []string{"NET_RAW"}, NoNewPrivileges: true}
	for _, c := range []Container{p.Job.Container, p.Services[0]} {
		if d := cmp.Diff(none, c.Rights); d != "" {
			t.Errorf("the %s (-want +got):\n%s", c.Role, d)
		}
	}
}

func TestByDefaultContainersAreOrdinary(t *testing.T) {
	s, _, _ := example()
	p := planFor(t, s, "platform/app")
	for _, c := range []Container{p.Job.Container, p.Services[0], p.Helper} {
		if !c.Ordinary() {
			t.Errorf("the %s has %+v and %+v", c.Role, c.Extras, c.Rights)
		}
	}
	rich := planFor(t, generous(), "other/app")
	if rich.Job.Ordinary() || rich.Services[0].Ordinary() {
		t.Error("what the settings give is not seen")
	}
}

func TestAPolicysVolumesStandInThePlaceOfTheOthers(t *testing.T) {
	s := generous()
	s.Policies[0].Job.Volumes, s.Policies[0].Services.Volumes = []string{"/srv/models:/models:ro"}, []string{}
	p := planFor(t, s, "platform/app")
	if want := []Bind{{Source: "/srv/models", Target: "/models", ReadOnly: true}}; !cmp.Equal(p.Job.Extras.Binds, want) || len(p.Services[0].Extras.Binds) != 0 {
		t.Errorf("job %v, service %v", p.Job.Extras.Binds, p.Services[0].Extras.Binds)
	}
}

// A pipeline influences the values of labels, but nothing else about labels.
func TestLabelsHoldVariables(t *testing.T) {
	pl := &planner{job: Job{Variables: []Variable{
		{Key: "A", Value: "1"}, {Key: "EVIL", Value: "x\n\x1b[31m\u009b\u007fy"}, {Key: "NESTED", Value: "$A"}, {Key: "LONG", Value: strings.Repeat("é", 2000)},
	}}}
	for text, want := range map[string]string{
		"plain": "plain", "$A": "1", "a-${A}-b": "a-1-b", "$NONE": "", "$EVIL": "x[31my", "$NESTED": "$A", "5 $": "5 $",
	} {
		if got := pl.expanded(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if got := pl.expanded("x$LONG"); len(got) > mostOfLabel || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("%d bytes, with half a character", len(got))
	}
}

func TestWhoRunsScripts(t *testing.T) {
	for name, c := range map[string]struct {
		user     string
		allowed  []string
		pipeline string
		want     string
		refused  bool
	}{
		"the pipeline's":                    {"", nil, "app", "app", false},
		"the image's":                       {"", []string{"app"}, "", "", false},
		"the settings' alone":               {"ci", nil, "", "ci", false},
		"the settings' before the pipeline": {"ci", []string{"ci", "app"}, "app", "ci", false},
		"another than the settings'":        {"ci", nil, "app", "", true},
		"the same as the settings'":         {"ci", nil, "ci", "ci", false},
		"one that is allowed":               {"", []string{"app", "www"}, "www", "www", false},
		"one that is not":                   {"", []string{"app", "www"}, "root", "", true},
		"one with a group":                  {"", []string{"app"}, "app:root", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Job.User, s.Job.AllowedUsers, job.Image.User = c.user, c.allowed, c.pipeline
			p, err := Build(s, job, facts)
			if c.refused {
				if !fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "job.allowed_users") {
					t.Errorf("%v (%s)", err, fault.HintOf(err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Job.User != c.want || p.Sidecar.User != "" {
				t.Errorf("the script runs as %q, the daemon as %q", p.Job.User, p.Sidecar.User)
			}
		})
	}
}

func TestAnEntrypointThatTheSettingsKeep(t *testing.T) {
	s, job, facts := example()
	s.Job.DisableEntrypointOverwrite, s.Services.DisableEntrypointOverwrite = true, true
	service := named("redis:7")
	service.Entrypoint = []string{"/evil"}
	job.Image, job.Services = Image{Name: "ruby:3", Entrypoint: []string{""}}, []Service{service}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if p.Job.Entrypoint != nil || p.Services[0].Entrypoint != nil {
		t.Errorf("job %q, service %q", p.Job.Entrypoint, p.Services[0].Entrypoint)
	}
	for _, image := range []string{"ruby:3", "redis:7"} {
		if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "the entrypoint of "+image) }) {
			t.Errorf("nobody tells of %s: %q", image, p.Warnings)
		}
	}
}

func TestHowManyGPUs(t *testing.T) {
	for text, want := range map[string]*GPUs{
		"": nil, "all": {Count: -1}, "2": {Count: 2}, "count=2": {Count: 2}, "count=all": {Count: -1},
		"device=0": {IDs: []string{"0"}}, `"device=GPU-1,GPU-2"`: {IDs: []string{"GPU-1", "GPU-2"}},
	} {
		if got := gpus(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, want %+v", text, got, want)
		}
	}
}

// A policy may change the memory to which other limits belong.
func TestLimitsThatGoWithMemory(t *testing.T) {
	l := config.Limit{Memory: 1 << 30, MemorySwap: 2 << 30, MemoryReservation: 512 << 20, CPUShares: 512, CPUSetCPUs: "0", CPUSetMems: "0", CgroupParent: "ci.slice"}
	for memory, want := range map[config.Size]Limits{
		1 << 30: {Memory: 1 << 30, MemorySwap: 2 << 30, MemoryReservation: 512 << 20},
		4 << 30: {Memory: 4 << 30, MemoryReservation: 512 << 20},
		8 << 20: {Memory: 8 << 20, MemorySwap: 2 << 30, MemoryReservation: 8 << 20},
		0:       {MemoryReservation: 512 << 20},
	} {
		l.Memory = memory
		want.CPUShares, want.CPUSetCPUs, want.CPUSetMems, want.CgroupParent = 512, "0", "0", "ci.slice"
		for role, s := range map[Role]config.Limits{RoleJob: {Job: l}, RoleService: {Services: l}, RoleSidecar: {Sidecar: l}, RoleHelper: {Helper: l}} {
			if got := limits(s, role); got != want {
				t.Errorf("the %s with %s: %+v, want %+v", role, memory, got, want)
			}
		}
	}
}

// Services from the settings come before the pipeline's own services, and no list of
// allowed images applies to them.
func TestServicesThatEveryJobHas(t *testing.T) {
	s, job, facts := example()
	s.Services.AllowedImages, s.Services.Max, s.Services.DisableEntrypointOverwrite = []string{"docker.io/library/postgres:*"}, 2, true
	s.Service = []config.Service{{
		Name: "registry.example.com/proxy:2", Alias: "proxy, packages", Entrypoint: []string{"/serve"}, Command: []string{"quietly"},
		Environment: []string{"UPSTREAM=https://x?a=b", "EMPTY="},
	}}
	job.Services = []Service{named("postgres:16")}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Services) != 2 {
		t.Fatalf("%d services", len(p.Services))
	}
	got := p.Services[0]
	if got.Image.Name != "registry.example.com/proxy:2" || !slices.Equal(got.Image.Policies, []string{config.PullIfNotPresent}) ||
		!slices.Equal(got.Entrypoint, []string{"/serve"}) || !slices.Equal(got.Command, []string{"quietly"}) ||
		!slices.Contains(got.Aliases, "proxy") || !slices.Contains(got.Aliases, "packages") ||
		!slices.Contains(got.Environment, "UPSTREAM=https://x?a=b") || !slices.Contains(got.Environment, "EMPTY=") {
		t.Errorf("%+v", got)
	}
	job.Services = append(job.Services, named("postgres:15"))
	if _, err := Build(s, job, facts); !fault.IsOfJob(err) || !strings.Contains(err.Error(), "3 services") {
		t.Errorf("more than services.max: %v", err)
	}
	if list := Prepull(s, "", ""); !slices.Contains(list, "registry.example.com/proxy:2") {
		t.Errorf("nobody fetches it ahead: %q", list)
	}
	for _, daemon := range []config.Service{{Name: "docker:28-dind"}, {Name: "mine:1", Alias: "docker"}} {
		s.Service = []config.Service{daemon}
		if _, err := Build(s, job, facts); err == nil || fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "sidecar.image") {
			t.Errorf("%s: %v", daemon.Name, err)
		}
	}
}

// A pipeline's variable may be very long, and a label may name the variable often.
func TestALongVariableIsCutBeforeItIsInALabel(t *testing.T) {
	pl := &planner{job: Job{Variables: []Variable{{Key: "A", Value: strings.Repeat("ü", 1<<19)}}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := pl.expanded("team-" + strings.Repeat("$A", 300))
	runtime.ReadMemStats(&after)
	if want := "team-" + strings.Repeat("ü", (mostOfLabel-5)/2); got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("it took %d MB of memory", took>>20)
	}
}
