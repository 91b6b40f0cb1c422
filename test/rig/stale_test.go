package rig

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestStaleGoesAndLivingStays(t *testing.T) {
	cli := newClient(t)
	Unchanged(t, cli)
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	ended := me
	ended.Start = "1" // some other process, with this one's pid
	stale, living, foreign := UniqueName("stale"), UniqueName("living"), UniqueName("foreign")
	createVolume(t, cli, stale, map[string]string{LabelWhat: "test", labelOwner: ended.String()})
	createVolume(t, cli, living, map[string]string{LabelWhat: "test", labelOwner: me.String()})
	createVolume(t, cli, foreign, map[string]string{LabelWhat: "test"})

	if err := RemoveStale(t.Context(), cli); err != nil {
		t.Fatal(err)
	}
	objects, err := Snapshot(t.Context(), cli)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, o := range objects {
		if o.Name == stale || o.Name == living || o.Name == foreign {
			left = append(left, strings.Split(strings.TrimPrefix(o.Name, NamePrefix), "-")[0])
		}
	}
	if got := strings.Join(left, " "); got != "foreign living" {
		t.Errorf("left are %q, want the living's and what has no owner", got)
	}
}

// killedRun names the environment variable that turns this binary into the victim of
// TestKilledRunIsRemoved.
const killedRun = "DIND_RIG_KILLED_RUN"

func TestKilledRunIsRemoved(t *testing.T) {
	cli := newClient(t)
	if os.Getenv(killedRun) != "" {
		startRegistry(t, cli, RegistryOptions{})
		fmt.Println("left behind:", Derive(t, cli, ImageBusybox, "USER 1000"))
		<-t.Context().Done() // until the kill, or the -test.timeout
		return
	}
	Unchanged(t, cli)
	before, err := Snapshot(t.Context(), cli)
	if err != nil {
		t.Fatal(err)
	}
	image := killRun(t)
	after, err := Snapshot(t.Context(), cli)
	if err != nil {
		t.Fatal(err)
	}
	diff := Diff(before, after)
	if strings.Count(diff, NamePrefix+"registry-") != 2 {
		t.Errorf("the killed run left not a container and a volume, but:\n%s", diff)
	}
	if err := Require(t.Context(), cli, image); err != nil {
		t.Errorf("the killed run left no derived image: %v", err)
	}
	if err := RemoveStale(t.Context(), cli); err != nil {
		t.Fatal(err)
	}
	if err := Require(t.Context(), cli, image); err == nil {
		t.Errorf("%s is still there", image)
	}
}

// killRun lets another process start a registry and derive an image, kills it,
// and returns the image's name.
func killRun(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledRunIsRemoved$", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), killedRun+"=1", "TMPDIR="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var image string
	var lines []string
	for out := bufio.NewScanner(stdout); image == "" && out.Scan(); {
		lines = append(lines, out.Text())
		_, image, _ = strings.Cut(out.Text(), "left behind: ")
	}
	cancel() // kills it
	if err := cmd.Wait(); err == nil || image == "" {
		t.Fatalf("the run was not killed at work (%v); it printed %q", err, lines)
	}
	return image
}
