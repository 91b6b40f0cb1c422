package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// probe builds test/probe, which tries ways out, once. On a machine without Go $DIND_E2E_PROBE
// names the built program.
var probe = sync.OnceValues(func() (string, error) {
	if file := os.Getenv("DIND_E2E_PROBE"); file != "" {
		content, err := os.ReadFile(file)
		return string(content), err
	}
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", filepath.Join(dir, "probe"), "gitlab-dind-executor/test/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the probe: %w\n%s", err, out)
	}
	content, err := os.ReadFile(filepath.Join(dir, "probe"))
	return string(content), err
})

// withProbe is a job whose image has the probe. The job puts the probe beside the sources.
func withProbe(t *testing.T, script ...string) local.Payload {
	t.Helper()
	content, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	image := rig.DeriveWith(t, world.Engine, rig.ImageCLI, []rig.File{{Path: "/usr/local/bin/probe", Mode: 0o755, Content: content}})
	p := world.Job(append([]string{
		login,
		`cp /usr/local/bin/probe $CI_PROJECT_DIR/`,
	}, script...)...)
	p.Image.Name = image
	p.Services = nil
	return p
}

// rungs are the rights that a hostile job asks its daemon for, the most first. Each rung gets
// the sidecar's files, processes, network and cgroups.
var rungs = []string{
	"--privileged",
	"--cap-add=ALL --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined",
	"--cap-add=SYS_ADMIN --cap-add=MKNOD --cap-add=NET_ADMIN --cap-add=SYS_PTRACE --cap-add=DAC_READ_SEARCH --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined",
	"",
}

// TestKnownEscapes tries each way out of a sandbox under each privilege. A refusal counts only
// if the same way is open under "privileged" on this machine. Otherwise the probe may be at
// fault.
func TestKnownEscapes(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()

	var log *buffer
	neighbour, finish := startJob(ctx, t, world.Job(`echo running; sleep 300`), func(r *local.Runner) { log = r.Log.(*buffer) })
	leave := sync.OnceFunc(func() {
		neighbour.Cancel()
		finish(neighbour.Wait())
	})
	defer leave()
	log.waitFor(t, neighbour, "\nrunning\n")
	flags := hostFacts(t) + " -daemon " + sidecarOf(t, log.String()) + ":2376"

	script := everyRung(flags)
	columns := []string{"job container", "privileged", "reduced", "rootless"}
	results := map[string]map[string]string{}
	for _, name := range columns[1:] {
		image := rig.ImageDind
		if name == "rootless" {
			image = rig.ImageRootless
		}
		r := runJobUnchecked(t, withProbe(t, script...), privilege(t, name, image)).succeeded()
		var job map[string]string
		job, results[name] = verdicts(r.log)
		if name == "privileged" {
			results["job container"] = job
		}
		t.Logf("%s:\n%s", name, strings.Join(probeLines(r.log), "\n"))
	}
	leave()

	ways := probeNames(results["privileged"])
	if len(ways) < 10 {
		t.Fatalf("only %d ways were tried: %q", len(ways), ways)
	}
	table, proved := "| way out | "+strings.Join(columns, " | ")+" | proved |\n", 0
	for _, way := range ways {
		open := results["privileged"][way] == "open"
		if open {
			proved++
		}
		table += "| " + way
		for _, c := range columns {
			if results[c][way] == "" {
				t.Errorf("%s: was not tried under %s", way, c)
			}
			table += " | " + results[c][way]
			if open && results[c][way] == "open" && (c == "rootless" || c == "job container") {
				t.Errorf("%s: is open under %s", way, c)
			}
		}
		table += fmt.Sprintf(" | %t |\n", open)
	}
	t.Logf("%d of %d ways are proved:\n%s", proved, len(ways), table)
	if proved < 3 {
		t.Errorf("only %d ways are open under privileged, so this test shows too little", proved)
	}
}

// everyRung is a script that tries all ways from the job container and from each rung.
func everyRung(flags string) []string {
	script := []string{`docker pull -q $CI_REGISTRY/base/busybox`, "echo 'rung: job container'; probe ways " + flags}
	for _, rights := range rungs {
		script = append(script, fmt.Sprintf(
			"echo 'rung: %[1]s'; docker run --rm --pid=host --net=host --cgroupns=host -v /:/host -v $PWD:/x %[1]s $CI_REGISTRY/base/busybox /x/probe ways %[2]s || true", rights, flags))
	}
	return script
}

// hostFacts are the probe's flags with facts of the host.
func hostFacts(t *testing.T) string {
	t.Helper()
	info, err := world.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	flags := "-engine " + info.ID
	flags += " -disk " + disk(info.DockerRootDir)
	if h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, info.DockerRootDir, 0); err == nil {
		flags += fmt.Sprintf(" -handle %d:%s", h.Type(), hex.EncodeToString(h.Bytes()))
	}
	if pids, err := os.Readlink("/proc/1/ns/pid"); err == nil {
		flags += fmt.Sprintf(" -init '%s'", pids)
	}
	return flags
}

// disk returns the device number of the disk with the directory. If this host denies the disk
// even to root, disk returns the first disk that root can open.
func disk(dir string) string {
	var st unix.Stat_t
	_ = unix.Stat(dir, &st) // on an error the others are tried
	number := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	others, _ := filepath.Glob("/sys/block/*/dev") // the pattern is valid
	for _, name := range append([]string{"/dev/block/" + number}, others...) {
		node := name
		if content, err := os.ReadFile(name); strings.HasSuffix(name, "/dev") && err == nil {
			node = "/dev/" + filepath.Base(filepath.Dir(name))
			number = strings.TrimSpace(string(content))
		}
		if file, err := os.Open(node); err == nil {
			file.Close()
			return number
		}
	}
	return number
}

// sidecarOf returns the address of a job's sidecar. The job log names the sandbox.
func sidecarOf(t *testing.T, log string) string {
	t.Helper()
	sandbox := regexp.MustCompile(`Running on (dind-[0-9a-f]{12})-helper`).FindStringSubmatch(log)
	if sandbox == nil {
		t.Fatalf("the job log names no sandbox:\n%s", log)
	}
	sidecar, err := world.Engine.ContainerInspect(t.Context(), sandbox[1]+"-sidecar")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sidecar.NetworkSettings.Networks {
		return n.IPAddress
	}
	t.Fatal("the sidecar has no network")
	return ""
}

// probeLines are the probe's lines of a log, with the names of the rungs.
func probeLines(log string) []string {
	return slices.DeleteFunc(strings.Split(log, "\n"), func(line string) bool {
		return !strings.HasPrefix(line, "probe: ") && !strings.HasPrefix(line, "rung: ") && !strings.Contains(line, "Error response")
	})
}

// verdicts tells which ways were open for the job container itself, and which were open for the
// containers of the job.
func verdicts(log string) (job, inner map[string]string) {
	job, inner = map[string]string{}, map[string]string{}
	in := job
	for _, line := range probeLines(log) {
		if rung, ok := strings.CutPrefix(line, "rung: "); ok {
			in = inner
			if rung == "job container" {
				in = job
			}
		}
		name, verdict, ok := strings.Cut(strings.TrimPrefix(line, "probe: "), ": ")
		if !ok || !strings.HasPrefix(line, "probe: ") {
			continue
		}
		if verdict, _, _ = strings.Cut(verdict, " "); in[name] != "open" {
			in[name] = verdict
		}
	}
	return job, inner
}

func probeNames(results map[string]string) []string {
	var names []string
	for name := range results {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
