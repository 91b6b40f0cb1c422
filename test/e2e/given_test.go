package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// Job container and services have everything that the settings give them, seen from inside.
// Some settings make a container more than an ordinary container. These hold under a policy,
// and the sidecar gets none of them.
func TestWhatTheSettingsGiveIsThere(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	t.Cleanup(func() { removeCached(t, "/var/given") })
	shared, read := t.TempDir(), t.TempDir()
	for dir, mode := range map[string]os.FileMode{shared: 0o777, read: 0o755, filepath.Dir(shared): 0o755} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(read, "file"), []byte("of the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	settings := given(t, map[string]string{
		"[job]": `
volumes = ["` + shared + `:/shared", "` + read + `:/read:ro"]
tmpfs = { "/scratch" = "rw,noexec,size=8m,mode=1777" }
shm_size = "16m"
ulimit = { nofile = "1234:2345" }
sysctls = { "net.core.somaxconn" = "777" }
cap_drop = ["NET_RAW"]
hostname = "build-box"
mac_address = "02:42:ac:00:00:07"
user = "1234:1234"
group_add = ["4242"]
oom_score_adjust = 321
container_labels = { team = "of $CI_PROJECT_PATH" }
`,
		"[network]": `
dns = ["192.0.2.53"]
dns_search = ["example.test"]
`,
	}, `
[services]
tmpfs = { "/scratch" = "size=4m" }
shm_size = "8m"
ulimit = { nofile = "345" }
sysctls = { "net.core.somaxconn" = "888" }
container_labels = { team = "service" }
volumes = ["`+read+`:/read:ro"]
[limits.job]
memory = "512m"
memory_swap = "1g"
cpuset_cpus = "0"
[cache]
volume = false
layers = "off"
paths = ["/var/given"]
[[service]]
name = "`+rig.ImageBusybox+`"
alias = "ours"
command = ["sh", "-c", "echo \"a service of the settings with $WORD\" >/builds/ours; exec sleep 300"]
environment = ["WORD=words"]
[[policy]]
projects = ["group/**"]
job.cap_add = ["SYS_PTRACE"]
job.devices = ["/dev/zero:/dev/ours:r"]
`)
	p := withServices(world.Job(
		`echo "who $(id -u):$(id -g) $(id -G) on $(hostname) $(cat /sys/class/net/eth0/address)"`,
		`echo "files $(ulimit -Sn) $(ulimit -Hn), $(cat /proc/sys/net/core/somaxconn) connections, score $(cat /proc/self/oom_score_adj)"`,
		`awk '$2 == "/dev/shm" || $2 == "/scratch" {print $2, $4}' /proc/mounts`,
		`grep CapBnd /proc/self/status; grep Cpus_allowed_list /proc/self/status; grep search /etc/resolv.conf`,
		`cat /read/file; touch /read/x || echo "not to be written"; echo written >/shared/by-the-job`,
		`head -c 3 /dev/ours | od -An -tx1`,
		`echo cached >/var/given/file; stat -c "for all: %a" /var/given`,
		`docker info >/dev/null && echo "docker works"`,
		`while [ ! -s ../../ours ]; do sleep 0.05; done; cat ../../ours; getent ahostsv4 ours >/dev/null && echo "by its name"`,
		`while [ ! -e ../../said ]; do sleep 0.05; done; cat ../../said`,
		`while [ ! -e /shared/seen ]; do sleep 0.02; done`,
	), local.Image{Name: rig.ImageBusybox, Alias: "other", Command: []string{"sh", "-c", `{
		echo "service: $(ulimit -n) files, $(cat /proc/sys/net/core/somaxconn) connections"
		grep -E ' /(dev/shm|scratch) ' /proc/mounts | cut -d' ' -f2,4
		cat /read/file; touch /read/x || echo "not to be written, there neither"; } >/builds/saying 2>/dev/null
		mv /builds/saying /builds/said; exec sleep 300`}})

	var log *buffer
	job, finish := startJob(t.Context(), t, p, withSettings(settings), func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "not to be written, there neither")
	seen := containersOf(t)
	if err := os.WriteFile(filepath.Join(shared, "seen"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	finish(job.Wait()).succeeded().quietCleanup().says(
		"\nwho 1234:1234 1234 4242 on build-box 02:42:ac:00:00:07\n",
		"\nfiles 1234 2345, 777 connections, score 321\n",
		"CapBnd:\t00000000a80c05fb\n", "Cpus_allowed_list:\t0\n", "search example.test\n",
		"of the host\n", "not to be written\n", " 00 00 00\n", "\nfor all: 777\n", "docker works\n",
		"\na service of the settings with words\n", "by its name\n",
		"\nservice: 345 files, 888 connections\n", "of the host\n",
	)
	for _, part := range []string{"/dev/shm rw,nosuid,nodev,noexec,relatime,size=16384k", "/scratch rw,nosuid,nodev,noexec,relatime,size=8192k", "size=8192k", "size=4096k"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("no %s in the job log", part)
		}
	}
	if got, err := os.ReadFile(filepath.Join(shared, "by-the-job")); err != nil || string(got) != "written\n" {
		t.Errorf("the host has %q (%v)", got, err)
	}
	for role, want := range map[string]string{"job": "of group/app", "service": "service", "sidecar": "", "helper": ""} {
		c, there := seen[role]
		if !there {
			t.Fatalf("no %s was seen: %v", role, seen)
		}
		if got := c.Config.Labels["team"]; got != want {
			t.Errorf("the %s is labelled %q, want %q", role, got, want)
		}
		if !slices.Equal(c.HostConfig.DNS, []string{"192.0.2.53"}) {
			t.Errorf("the %s asks %q", role, c.HostConfig.DNS)
		}
		if h := c.HostConfig; (role == "sidecar" || role == "helper") && (len(h.Tmpfs)+len(h.Ulimits)+len(h.Sysctls)+len(h.GroupAdd)+len(h.Devices) > 0 || slices.Contains(h.CapAdd, "SYS_PTRACE")) {
			t.Errorf("the %s has what is the job's: %+v", role, h)
		}
		for _, m := range c.Mounts {
			if (role == "sidecar" || role == "helper") && (m.Source == shared || m.Source == read) {
				t.Errorf("the %s has %s of the host", role, m.Source)
			}
		}
	}
	if h := seen["job"].HostConfig; h.Memory != 512<<20 || h.MemorySwap != 1<<30 {
		t.Errorf("memory %d, with swap %d", h.Memory, h.MemorySwap)
	}

	if d := seen["job"].HostConfig.Devices; len(d) != 1 || d[0].CgroupPermissions != "r" {
		t.Errorf("devices %+v", d)
	}
	if removed := removeCached(t, "/var/given"); removed != 1 {
		t.Errorf("%d volumes are kept for the next job, want one", removed)
	}
}

// given writes a settings file with further lines in the lab's tables, and with further tables.
func given(t *testing.T, tables map[string]string, more string) (path string) {
	t.Helper()
	path = settingsWith(t, more)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for table, lines := range tables {
		content = []byte(strings.Replace(string(content), table+"\n", table+lines, 1))
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// containersOf are the containers of the only sandbox, by their roles.
func containersOf(t *testing.T) map[string]container.InspectResponse {
	t.Helper()
	list, err := world.Engine.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "gitlab-dind-executor.sandbox"))})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]container.InspectResponse{}
	for _, one := range list {
		c, err := world.Engine.ContainerInspect(t.Context(), one.ID)
		if err != nil {
			t.Fatal(err)
		}
		found[c.Config.Labels["gitlab-dind-executor.role"]] = c
	}
	return found
}

// removeCached removes the lab's project's caches for a path, with their marks, and counts
// them.
func removeCached(t *testing.T, path string) (removed int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute) // the test's own context has ended
	defer cancel()
	list, err := world.Engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "gitlab-dind-executor.scope"), filters.Arg("label", lab.InstallationLabel+"="+lab.Installation))})
	if err != nil {
		t.Error(err)
	}
	for _, v := range list.Volumes {
		if v.Labels["gitlab-dind-executor.path"] != path {
			continue
		}
		for _, m := range list.Volumes {
			if m.Labels["gitlab-dind-executor.of"] == v.Name {
				if err := world.Engine.VolumeRemove(ctx, m.Name, false); err != nil {
					t.Error(err)
				}
			}
		}
		if err := world.Engine.VolumeRemove(ctx, v.Name, false); err != nil {
			t.Error(err)
		}
		removed++
	}
	return removed
}
