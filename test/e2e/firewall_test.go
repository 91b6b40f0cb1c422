package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

func TestInnerContainersNeedACertificate(t *testing.T) {
	r := runJob(t, withProbe(t,
		`gateway=$(docker network inspect bridge -f '{{(index .IPAM.Config 0).Gateway}}')`,
		`sidecar=$(getent hosts docker | cut -d' ' -f1)`,
		`docker run --rm -v $PWD:/x $CI_REGISTRY/base/busybox /x/probe tls $sidecar:2376 $gateway:2376`,
		`docker run --rm -v $PWD:/x $CI_REGISTRY/base/busybox /x/probe dial $sidecar:2375 $gateway:2375`,
		`docker run --rm -v $PWD:/x $CI_REGISTRY/base/busybox /x/probe dial $sidecar:2376 $gateway:2376`,
	), func(*local.Runner) {}).succeeded()
	var lines []string
	for _, line := range probeLines(r.log) {
		_, verdict, _ := strings.Cut(strings.TrimPrefix(line, "probe: "), ": ")
		lines = append(lines, verdict)
	}
	if len(lines) != 6 {
		t.Fatalf("%d probes, want 6: %q", len(lines), lines)
	}
	for i, want := range []string{"certificate required", "certificate required", "connection refused", "connection refused", "open", "open"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("probe %d: %q, want %q", i, lines[i], want)
		}
	}
}

// recipe returns the n-th block of shell commands of docs/security.md, with the addresses of
// this test.
func recipe(t *testing.T, n int, allow ...string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(doc), "```sh\n")
	if len(blocks) <= n+1 {
		t.Fatalf("docs/security.md has %d blocks of shell commands, want %d", len(blocks)-1, n+1)
	}
	block, _, _ := strings.Cut(blocks[n+1], "```")
	var out strings.Builder
	for line := range strings.Lines(block) {
		switch {
		case strings.HasPrefix(line, "pool="):
			line = "pool=" + firewalledPool + "\n"
		case strings.HasPrefix(line, "allow="):
			line = fmt.Sprintf("allow=%q\n", strings.Join(allow, " "))
		}
		// This host may have the recipe's chain, so the test has a chain of its own.
		out.WriteString(strings.ReplaceAll(line, "DIND-SANDBOX", "DIND-TEST"))
	}
	return out.String()
}

// firewalledPool differs from the default pool, so that no other job is in it.
const firewalledPool = "10.230.0.0/16"

// asRoot runs shell commands on this host.
func asRoot(ctx context.Context, commands string) (string, error) {
	args := []string{"sh", "-eu", "-c", commands}
	if os.Geteuid() != 0 {
		args = append([]string{"sudo"}, args...)
	}
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return string(out), nil
}

// TestTheFirewallRecipeKeepsSandboxesFromTheHost runs the commands of docs/security.md, and
// undoes them.
func TestTheFirewallRecipeKeepsSandboxesFromTheHost(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	gateway, err := rig.Gateway(t.Context(), world.Engine)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", net.JoinHostPort(gateway.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	settings, err := world.WriteSettings("firewall.toml", fmt.Sprintf("pool = %q\n", firewalledPool))
	if err != nil {
		t.Fatal(err)
	}
	if said, code := doctor(t, settings); code != 1 || !strings.Contains(said, "warning  firewall: jobs reach this host's own services\n") {
		t.Errorf("without rules doctor ends with %d and says:\n%s", code, said)
	}

	service := listener.Addr().String()
	dns := `docker run --rm $CI_REGISTRY/base/busybox sh -c 'nslookup no-such-name.test. 2>&1 | grep -v timed.out | grep -q NXDOMAIN && echo dns answers'`
	p := withProbe(t,
		`docker pull -q $CI_REGISTRY/base/busybox`, dns,
		"probe dial "+service,
		`echo waiting for the rules`,
		fmt.Sprintf(`n=0; while probe dial %s | grep -q open; do n=$((n+1)); [ $n -lt 100 ]; sleep 0.1; done; echo kept away`, service),
		"probe dial "+service,
		"docker run --rm -v $PWD:/x $CI_REGISTRY/base/busybox /x/probe dial "+service,
		`docker run --rm --privileged --net=host -v $PWD:/x $CI_REGISTRY/base/busybox /x/probe dial 169.254.169.254:80`,
		`docker tag $CI_REGISTRY/base/busybox $CI_REGISTRY_IMAGE:firewall && docker push -q $CI_REGISTRY_IMAGE:firewall && echo pushed`,
		dns,
	)
	var log *buffer
	ctx, cancel := context.WithTimeout(t.Context(), jobTimeout)
	defer cancel()
	job, finish := startJob(ctx, t, p, withSettings(settings), func(r *local.Runner) { log = r.Log.(*buffer) })
	log.waitFor(t, job, "\nwaiting for the rules\n")

	away := recipe(t, 1)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rig.Slower(30*time.Second))
		defer cancel()
		if _, err := asRoot(ctx, away); err != nil {
			t.Errorf("taking the rules back: %v", err)
		}
	})
	registry := net.JoinHostPort(gateway.String(), world.Registry.Host[strings.LastIndex(world.Registry.Host, ":")+1:])
	if _, err := asRoot(ctx, recipe(t, 0, registry)); err != nil {
		t.Fatal(err)
	}
	refused := "probe: dial " + service + ": refused (dial tcp " + service + ": connect: connection refused)"
	finish(job.Wait()).succeeded().quietCleanup().says(
		"\ndns answers\n", "probe: dial "+service+": open", "\nwaiting for the rules\n", "kept away\n", refused, refused,
		"probe: dial 169.254.169.254:80: refused (dial tcp 169.254.169.254:80: connect: connection refused)",
		"\npushed\n", "\ndns answers\n")
	said, code := doctor(t, settings)
	if code != 0 || !strings.Contains(said, "ok       firewall: jobs do not reach this host's own services\n") ||
		!strings.Contains(said, "ok       sandbox: docker ") {
		t.Errorf("with the rules doctor ends with %d and says:\n%s", code, said)
	}
}

// runnerConfig writes a Runner's config.toml that calls the hooks with a settings file.
func runnerConfig(t *testing.T, settings string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	cmd := exec.CommandContext(t.Context(), world.Binary, "--settings", settings, "register", "--url", "https://git.example.com", "--write", file)
	cmd.Env = append(os.Environ(), "CI_SERVER_TOKEN=glrt-lab")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("register: %v\n%s", err, out)
	}
	return file
}

// doctor runs the command doctor and returns its output and exit code.
func doctor(t *testing.T, settings string) (said string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Slower(time.Minute))
	defer cancel()
	cmd := exec.CommandContext(ctx, world.Binary, "--settings", settings, "doctor", "--runner-config", runnerConfig(t, settings))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("doctor: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
