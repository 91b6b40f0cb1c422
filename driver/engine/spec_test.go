package engine

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// testPlan is the plan of a job with one service, on the default settings.
func testPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.Build(config.Default(), plan.Job{
		Key: "gitlab.example.com/7", Scope: "gitlab.example.com/42/unprotected", Timeout: time.Hour,
		Project: "group/app", Protection: plan.Unprotected, Instances: []string{"gitlab.example.com"},
		BuildsDir: "/builds", RunnerVersion: "18.6.6",
		Services: []plan.Service{{Image: plan.Image{Name: "redis:7"}, Aliases: []string{"cache"}}},
	}, plan.Facts{
		Sandbox: "0123456789ab", Owner: owner.Process{PID: 1}.String(), Started: noon, Arch: "x86_64", MTU: 1450,
		Used: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withVolumes is an image with VOLUMEs.
func withVolumes(paths ...string) Image {
	volumes := map[string]struct{}{}
	for _, p := range paths {
		volumes[p] = struct{}{}
	}
	return Image{ID: "sha256:1", Configured: true, Volumes: imageVolumes(volumes)}
}

func TestEveryVolumeOfAnImageIsLabelled(t *testing.T) {
	p := testPlan(t)
	for name, c := range map[string]struct {
		container plan.Container
		volumes   []string
		want      map[string]string // path: name
	}{
		"a service": {p.Services[0], []string{"/data"}, map[string]string{
			"/builds": "dind-0123456789ab-builds", "/certs/client": "dind-0123456789ab-certs", "/data": "n-v0",
		}},
		"several, in order": {p.Services[0], []string{"/z", "/a"}, map[string]string{
			"/builds": "dind-0123456789ab-builds", "/certs/client": "dind-0123456789ab-certs", "/a": "n-v0", "/z": "n-v1",
		}},
		"the sidecar's is its data root": {p.Sidecar.Container, []string{"/var/lib/docker"}, map[string]string{
			"/builds": "dind-0123456789ab-builds", "/var/lib/docker": "dind-0123456789ab-data", "/certs/client": "dind-0123456789ab-certs",
		}},
		"the same path in other words": {p.Sidecar.Container, []string{"/var/lib/docker/", "/var//lib/docker", "/var/lib/docker/."}, map[string]string{
			"/builds": "dind-0123456789ab-builds", "/var/lib/docker": "dind-0123456789ab-data", "/certs/client": "dind-0123456789ab-certs",
		}},
		"a path that is relative": {p.Services[0], []string{"data"}, map[string]string{
			"/builds": "dind-0123456789ab-builds", "/certs/client": "dind-0123456789ab-certs", "/data": "n-v0",
		}},
		"the certificates' directory": {p.Job.Container, []string{"/certs/client"}, map[string]string{
			"/builds": "dind-0123456789ab-builds", "/certs/client": "dind-0123456789ab-certs",
		}},
		"the builds directory itself": {p.Helper, []string{"/builds/"}, map[string]string{"/builds": "dind-0123456789ab-builds"}},
		"the root, which cannot be":   {p.Helper, []string{"/"}, map[string]string{"/builds": "dind-0123456789ab-builds"}},
		"none":                        {p.Helper, nil, map[string]string{"/builds": "dind-0123456789ab-builds"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for _, m := range SpecOf(p, c.container, "n", nil, withVolumes(c.volumes...)).host.Mounts {
				got[m.Target] = m.Source
				if m.Type != mount.TypeVolume || m.Source == "" || m.VolumeOptions.Labels[label.Sandbox] != "0123456789ab" || m.VolumeOptions.Labels[label.Role] == "" {
					t.Errorf("a mount that a sweep cannot find: %+v", m)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			for path, source := range c.want {
				if got[path] != source {
					t.Errorf("at %s is %q, want %q", path, got[path], source)
				}
			}
		})
	}
	if got := SpecOf(p, p.Helper, "n", nil, Image{}).host.Mounts; len(got) != 1 {
		t.Errorf("an image without a configuration: %v", got)
	}
}

func TestOnlyTheSidecarIsPrivileged(t *testing.T) {
	p := testPlan(t)
	for _, c := range []plan.Container{p.Sidecar.Container, p.Helper, p.Job.Container, p.Services[0]} {
		host := SpecOf(p, c, "n", nil, Image{}).host
		if host.Privileged != (c.Role == plan.RoleSidecar) {
			t.Errorf("%s: privileged is %t", c.Role, host.Privileged)
		}
		if (host.CgroupnsMode == container.CgroupnsModePrivate) != host.Privileged {
			t.Errorf("%s: cgroup namespace %q", c.Role, host.CgroupnsMode)
		}
		if len(host.Binds) != 0 || len(host.CapAdd) != 0 || len(host.Devices) != 0 || host.PidMode != "" || host.IpcMode != "" ||
			len(host.Links) != 0 || len(host.VolumesFrom) != 0 || host.VolumeDriver != "" || host.UsernsMode != "" {
			t.Errorf("%s reaches into the host: %+v", c.Role, host)
		}
		if host.LogConfig.Type != "json-file" {
			t.Errorf("%s: log driver %q, whose log cannot be followed", c.Role, host.LogConfig.Type)
		}
		if string(host.NetworkMode) != "dind-0123456789ab" {
			t.Errorf("%s: network %q", c.Role, host.NetworkMode)
		}
	}
}

// Without a wish of the job the spec says nothing, since daemon.json may name an init for all.
func TestAnInitProcessIsAskedForWhereThePlanHasOne(t *testing.T) {
	p := testPlan(t)
	c := p.Job.Container
	if got := SpecOf(p, c, "n", nil, withVolumes()).host.Init; got != nil {
		t.Errorf("a job that does not ask has %v", *got)
	}
	c.Init = true
	if got := SpecOf(p, c, "n", nil, withVolumes()).host.Init; got == nil || !*got {
		t.Errorf("a job that asks has %v", got)
	}
	err := StartFault("ruby:3", errors.New(`Error response from daemon: exec: "docker-init": executable file not found in $PATH`))
	if fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "install docker-init") {
		t.Errorf("an engine without one is %v (hint: %s)", err, fault.HintOf(err))
	}
}

func TestRightsAreTranslated(t *testing.T) {
	p := testPlan(t)
	c := p.Job.Container
	ordinary := SpecOf(p, c, "n", nil, withVolumes()).host
	if len(ordinary.CapAdd)+len(ordinary.CapDrop)+len(ordinary.SecurityOpt)+len(ordinary.Devices) > 0 ||
		ordinary.MaskedPaths != nil || ordinary.ReadonlyPaths != nil || ordinary.CgroupnsMode != "" || ordinary.Runtime != "" {
		t.Errorf("an ordinary container is none: %+v", ordinary)
	}
	c.Rights = plan.Rights{
		CapAdd: []string{"SYS_ADMIN"}, CapDrop: []string{"ALL"}, Unconfined: true, PrivateCgroups: true,
		Devices: []plan.Device{{Host: "/dev/net/tun", Path: "/dev/net/tun", Permissions: "rwm"}}, Runtime: "sysbox-runc", NoNewPrivileges: true,
	}
	got := SpecOf(p, c, "n", nil, withVolumes()).host
	want := container.HostConfig{
		CapAdd: []string{"SYS_ADMIN"}, CapDrop: []string{"ALL"}, CgroupnsMode: "private", Runtime: "sysbox-runc",
		SecurityOpt: []string{"seccomp=unconfined", "apparmor=unconfined", "no-new-privileges"},
		// Nil would mean the engine's own list.
		MaskedPaths: []string{}, ReadonlyPaths: []string{},
	}
	want.Devices = []container.DeviceMapping{{PathOnHost: "/dev/net/tun", PathInContainer: "/dev/net/tun", CgroupPermissions: "rwm"}}
	want.NetworkMode, want.Mounts, want.LogConfig, want.ExtraHosts = got.NetworkMode, got.Mounts, got.LogConfig, got.ExtraHosts
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAContainerIsCreatedAsPlanned(t *testing.T) {
	p := testPlan(t)
	job := p.Job.Container
	job.Entrypoint, job.User, job.Image.Platform, job.ExtraHosts = []string{"/e"}, "1000:1000", "linux/arm64/v8", []string{"a:192.0.2.1"}
	got := SpecOf(p, job, "dind-0123456789ab-job", map[string]string{"k": "v"}, Image{ID: "sha256:1"})
	if got.Name != "dind-0123456789ab-job" || got.config.User != "1000:1000" || got.config.Entrypoint[0] != "/e" ||
		got.config.Hostname != "dind-0123456789ab" || got.config.Labels["k"] != "v" || got.host.ExtraHosts[0] != "a:192.0.2.1" ||
		strings.Join(got.config.Env, " ") != strings.Join(job.Environment, " ") || strings.Join(got.config.Cmd, " ") != strings.Join(job.Command, " ") {
		t.Errorf("not as planned: %+v", got)
	}
	if c := got.config; !c.OpenStdin || !c.StdinOnce || !c.AttachStdin || !c.AttachStdout || !c.AttachStderr || c.Tty {
		t.Errorf("its stdin is not one for a script: %+v", c)
	}
	if pl := got.platform; pl == nil || pl.OS != "linux" || pl.Architecture != "arm64" || pl.Variant != "v8" {
		t.Errorf("platform %+v", pl)
	}
	service := SpecOf(p, p.Services[0], "n", nil, Image{})
	if c := service.config; c.OpenStdin || c.AttachStdin || service.platform != nil || c.Entrypoint != nil || c.Cmd != nil {
		t.Errorf("a service keeps what its image says: %+v", c)
	}
	if a := service.network.EndpointsConfig["dind-0123456789ab"].Aliases; strings.Join(a, " ") != "redis cache" {
		t.Errorf("it answers to %q", a)
	}
	for in, want := range map[string]string{"linux": "linux//", "linux/amd64": "linux/amd64/"} {
		if pl := platform(in); pl.OS+"/"+pl.Architecture+"/"+pl.Variant != want {
			t.Errorf("%s became %+v", in, pl)
		}
	}
}

func TestLimitsLeaveNoSwapAndNothingElseUnset(t *testing.T) {
	p := testPlan(t)
	c := p.Services[0]
	c.Limits = plan.Limits{NanoCPUs: 1_500_000_000, Memory: 64 << 20, PIDs: 7}
	got := SpecOf(p, c, "n", nil, withVolumes()).host.Resources
	if got.NanoCPUs != 1_500_000_000 || got.Memory != 64<<20 || got.MemorySwap != 64<<20 || got.PidsLimit == nil || *got.PidsLimit != 7 {
		t.Errorf("the engine is asked for %+v", got)
	}
	got = SpecOf(p, p.Services[0], "n", nil, withVolumes()).host.Resources
	if got.NanoCPUs != 0 || got.Memory != 0 || got.MemorySwap != 0 || got.PidsLimit != nil {
		t.Errorf("without limits the engine is asked for %+v", got)
	}
}

func TestACacheIsNoSandboxs(t *testing.T) {
	p := testPlan(t)
	c := p.Helper
	c.CachePath = "/cache"
	mounts := SpecOf(p, c, "n", nil, withVolumes("/cache/")).host.Mounts
	if len(mounts) != 2 {
		t.Fatalf("mounts: %+v", mounts)
	}
	m := mounts[1]
	if m.Target != "/cache" || m.Source != label.CacheName("gitlab.example.com/42/unprotected") {
		t.Errorf("%s is at %s", m.Source, m.Target)
	}
	l := m.VolumeOptions.Labels
	if l[label.Role] != string(plan.RoleCache) || l[label.Scope] != "gitlab.example.com/42/unprotected" || l[label.Created] == "" || l[label.MadeBy] == "" {
		t.Errorf("labels %v", l)
	}
	// By these labels cleanup and sweep would find the volume.
	if l[label.Sandbox] != "" || l[label.Job] != "" {
		t.Errorf("labels %v", l)
	}
	if l[label.Project] != "group/app" || l[label.Protected] != "false" || l[label.Instance] != "gitlab.example.com" {
		t.Errorf("labels %v", l)
	}
	for _, m := range SpecOf(p, p.Helper, "n", nil, Image{}).host.Mounts {
		if m.Target == "/cache" {
			t.Errorf("a cache that the plan has not: %+v", m)
		}
	}
}

// Sidecar and job share a volume with their services. Its content tells whether a job has had the
// sandbox, so services must not change it.
func TestServicesOnlyReadTheCertificates(t *testing.T) {
	p := testPlan(t)
	for name, c := range map[string]struct {
		container plan.Container
		readOnly  bool
	}{"a service": {p.Services[0], true}, "the job": {p.Job.Container, false}, "the sidecar": {p.Sidecar.Container, false}} {
		found := false
		for _, m := range SpecOf(p, c.container, "n", nil, Image{}).host.Mounts {
			if m.Target != plan.ClientCerts {
				continue
			}
			found = true
			if m.ReadOnly != c.readOnly || !m.VolumeOptions.NoCopy {
				t.Errorf("%s: %+v", name, m)
			}
		}
		if !found {
			t.Errorf("%s has no certificates", name)
		}
	}
}
