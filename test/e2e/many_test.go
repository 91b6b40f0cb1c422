package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// preparedAtOnce are how many jobs of a crowd are prepared side by side: the machine
// has few processors, and the others only wait.
const preparedAtOnce = 4

// asleep makes an image that may be the daemon and only sleeps: two hundred real ones
// have 8 GB in memory, and the looks at them would be the same.
func asleep(t *testing.T) string {
	t.Helper()
	const name = "gitlab-dind-executor.test/docker:asleep"
	c, err := world.Engine.ContainerCreate(t.Context(), &container.Config{Image: rig.ImageBusybox}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := world.Engine.ContainerRemove(context.Background(), c.ID, container.RemoveOptions{}); err != nil {
			t.Error(err)
		}
	}()
	_, err = world.Engine.ContainerCommit(t.Context(), c.ID, container.CommitOptions{
		Reference: name, Config: &container.Config{Entrypoint: []string{"sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := world.Engine.ImageRemove(context.Background(), name, image.RemoveOptions{}); err != nil {
			t.Error(err)
		}
	})
	return name
}

// Many sandboxes at once have names, subnets and a place in every list of their own,
// and nothing of any is left. By make test-engines they are two hundred.
func TestManySandboxesAtOnce(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	count := 3
	if long() {
		count = 200
	}
	const pool = "10.221.0.0/16"
	settings, err := world.WriteSettings("many.toml", fmt.Sprintf("pool = %q\nsubnet_bits = 28\n", pool))
	if err != nil {
		t.Fatal(err)
	}
	daemon := asleep(t)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Slower(20*time.Minute))
	defer cancel()

	release := make(chan struct{})
	var jobs sync.WaitGroup
	var releasing sync.Once
	letGo := func() { releasing.Do(func() { close(release) }) }
	defer jobs.Wait()
	defer letGo()
	arrived, slots := make(chan error, count), make(chan struct{}, preparedAtOnce)
	for range count {
		slots <- struct{}{}
		p := images(world.Job("echo never"), rig.ImageCLI, daemon)
		var log buffer
		var job *local.Job
		var there sync.Once
		tell := func(err error) {
			there.Do(func() {
				<-slots
				arrived <- err
			})
		}
		r := world.RunnerWith(settings)
		r.Log = &log
		started := make(chan struct{})
		r.OnHook = func(h local.Hook) {
			if h.Stage != "prepare_script" {
				return
			}
			tell(nil)
			<-release
			<-started
			job.Cancel()
		}
		job = r.Start(ctx, p)
		close(started)
		jobs.Go(func() {
			res := job.Wait()
			tell(fmt.Errorf("a job ended as %s before all were there: %w\n%s", res.State, res.Err, log.String()))
		})
	}
	for range count {
		if err := <-arrived; err != nil {
			t.Fatal(err)
		}
	}

	lookAtMany(t, count, netip.MustParsePrefix(pool), settings)
	letGo()
	jobs.Wait()
	deadline := time.Now().Add(rig.Slower(5 * time.Minute))
	for left := ours(t); len(left) > 0; left = ours(t) {
		if time.Now().After(deadline) {
			t.Fatalf("%d objects are left, such as of %v", len(left), first(left))
		}
		time.Sleep(50 * time.Millisecond) // between two looks
	}
}

// first is one key of a map.
func first[V any](m map[string]V) string {
	for key := range m {
		return key
	}
	return ""
}

// lookAtMany compares what the engine has with what status and metrics tell.
func lookAtMany(t *testing.T, count int, pool netip.Prefix, settings string) {
	t.Helper()
	const labelOf, roleOf = "gitlab-dind-executor.sandbox", "gitlab-dind-executor.role"
	f := filters.NewArgs(filters.Arg("label", labelOf), filters.Arg("label", lab.InstallationLabel+"="+lab.Installation))
	networks, err := world.Engine.NetworkList(t.Context(), network.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	subnets, sandboxes := map[netip.Prefix]bool{}, map[string]map[string]bool{}
	for _, n := range networks {
		subnet, err := netip.ParsePrefix(n.IPAM.Config[0].Subnet)
		if err != nil || !pool.Contains(subnet.Addr()) || subnets[subnet] {
			t.Errorf("the network %s has %s, which is another's or not of %s (%v)", n.Name, subnet, pool, err)
		}
		subnets[subnet] = true
		id := n.Labels[labelOf]
		if sandboxes[id] != nil || n.Name != "dind-"+id {
			t.Errorf("the sandbox %s has the network %s", id, n.Name)
		}
		sandboxes[id] = map[string]bool{}
	}
	if len(subnets) != count {
		t.Errorf("%d sandboxes have %d subnets", count, len(subnets))
	}
	containers, err := world.Engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		id, role := c.Labels[labelOf], c.Labels[roleOf]
		if sandboxes[id] == nil || sandboxes[id][role] || c.Names[0] != "/dind-"+id+"-"+role {
			t.Errorf("the sandbox %q has a container %v", id, c.Names)
			continue
		}
		sandboxes[id][role] = true
	}
	for id, roles := range sandboxes {
		if !roles["sidecar"] || !roles["helper"] || !roles["job"] || len(roles) != 3 {
			t.Errorf("the sandbox %s has %v", id, roles)
		}
	}

	command := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), world.Binary, append([]string{"--settings", settings}, args...)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(args, " "), err)
		}
		return string(out)
	}
	var status struct {
		Sandboxes []struct{ Sandbox, State, Job string }
	}
	if err := json.Unmarshal([]byte(command("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]bool{}
	for _, s := range status.Sandboxes {
		if sandboxes[s.Sandbox] == nil || s.State != "booting" || s.Job == "" || jobs[s.Job] {
			t.Errorf("status has %+v", s)
		}
		jobs[s.Job] = true
	}
	if len(jobs) != count {
		t.Errorf("status has %d jobs of %d", len(jobs), count)
	}
	if said := command("metrics"); !regexp.MustCompile(fmt.Sprintf(`(?m)^gitlab_dind_executor_sandboxes\{state="running"\} %d$`, count)).MatchString(said) {
		t.Errorf("metrics do not count %d: %s", count, said)
	}
}
