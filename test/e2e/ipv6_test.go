package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// isolatesIPv6 tells whether the engine of these tests says that it keeps networks apart over
// IPv6.
func isolatesIPv6(t *testing.T) bool {
	t.Helper()
	info, err := world.Engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	major, _, _ := strings.Cut(info.ServerVersion, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		t.Fatalf("the engine's version is %q", info.ServerVersion)
	}
	return n >= 27 || info.ExperimentalBuild
}

// A job with IPv6 in its settings gets IPv6 only where other jobs cannot read its ports.
func TestSandboxesHaveIPv6WhenAskedAndKeptApart(t *testing.T) {
	if b, err := os.ReadFile("/proc/net/if_inet6"); err != nil || len(b) == 0 {
		t.Fatalf("this host has no IPv6: %v", err)
	}
	settings, err := world.WriteSettings("ipv6.toml", "ipv6 = true\n")
	if err != nil {
		t.Fatal(err)
	}
	p := world.Job(login,
		`ip -6 -brief address show dev eth0`,
		`docker network inspect bridge -f 'inner {{.EnableIPv6}} {{json .IPAM.Config}}'`,
		`docker run -d -p 8080:80 $CI_REGISTRY/base/busybox httpd -f -p '[::]:80' -h /etc`,
		`docker run --rm $CI_REGISTRY/base/busybox ip -6 address show dev eth0`,
		`sidecar=$(getent ahostsv6 docker | awk '{ print $1; exit }'); echo "daemon at $sidecar"`,
		`DOCKER_HOST="tcp://[$sidecar]:2376" docker version -f 'by address {{.Server.Os}}'`,
		`n=0; until curl -sf -6 "http://[$sidecar]:8080/hostname" >/dev/null; do n=$((n+1)); [ $n -lt 50 ]; sleep 0.1; done; echo served by IPv6`,
	)
	if isolatesIPv6(t) {
		runJob(t, p, withSettings(settings)).succeeded().
			says("fd6b:3f2a:91c7:", "inner true", "fd6b:3f2a:91c7:8000::/64", "inet6 fd6b:3f2a:91c7:8000:", "daemon at fd6b:3f2a:91c7:", "\nby address linux\n", "\nserved by IPv6\n")
		return
	}
	r := runJob(t, p, withSettings(settings)).quietCleanup().
		says("error: the docker engine does not keep sandboxes apart over IPv6", `hint: let it: "ip6tables": true`).saysNot("inner true")
	if r.State != local.SystemFailure {
		t.Errorf("the job ended as %s, want a system failure", r.State)
	}
	said, code := doctor(t, settings)
	if code != 2 || !strings.Contains(said, "error    ipv6: the docker engine does not keep sandboxes apart over IPv6\n") {
		t.Errorf("doctor ends with %d and says:\n%s", code, said)
	}
}

// envTryIPv6 lets this test's program try IPv6 on another engine instead of testing.
const envTryIPv6 = "DIND_E2E_TRY_IPV6"

// tryIPv6 prints whether jobs would get IPv6 on an engine.
func tryIPv6(host string) int {
	p := &plan.Plan{Spec: "trial", Network: plan.Network{
		Pool: netip.MustParsePrefix("10.231.0.0/16"), SubnetBits: config.Default().Network.SubnetBits, MTU: 1500, Pool6: config.Default().Network.Pool6,
	}}
	d, err := driver.Open(host)
	if err == nil {
		defer d.Close()
		err = d.TryIPv6(context.Background(), p)
	}
	if err != nil {
		fmt.Println("refused:", err)
		return 0
	}
	fmt.Println("given")
	return 0
}

// another is an engine in a network namespace of its own.
type another struct {
	t         *testing.T
	host, pid string
}

// anotherEngine starts an engine with these flags, on a host that forwards IPv6. The engine
// ends with the test.
func anotherEngine(t *testing.T, flags string) another {
	t.Helper()
	dir, err := os.MkdirTemp("", "dind-v6-")
	if err != nil {
		t.Fatal(err)
	}
	a := another{t: t, host: "unix://" + dir + "/docker.sock"}
	log := filepath.Join(dir, "log")
	start := fmt.Sprintf(`cd %s; mkdir data; echo '{}' >daemon.json
setsid unshare -n sh -c 'ip link set lo up; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; echo $$ >pid; exec dockerd --config-file=$PWD/daemon.json --data-root=$PWD/data --exec-root=$PWD/exec --pidfile=$PWD/dockerd.pid --host=%s %s' >%s 2>&1 </dev/null &
n=0; until docker -H %s version >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 300 ]; sleep 0.1; done; cat pid`, dir, a.host, flags, log, a.host)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		end := fmt.Sprintf(`cd %s; p=$(cat pid) || exit 0; kill $p || true; n=0; while kill -0 $p 2>/dev/null; do n=$((n+1)); [ $n -lt 300 ]; sleep 0.1; done; umount -l exec/netns/* 2>/dev/null || true; rm -rf %[1]s`, dir)
		if _, err := asRoot(ctx, end); err != nil {
			t.Errorf("ending the other engine: %v", err)
		}
	})
	out, err := asRoot(t.Context(), start)
	if err != nil {
		b, _ := os.ReadFile(log)
		t.Fatalf("starting another engine: %v\n%s", err, b)
	}
	a.pid = strings.TrimSpace(out)
	a.run("docker save " + rig.ImageBusybox + " | docker -H " + a.host + " load")
	return a
}

func (a another) run(commands string) string {
	a.t.Helper()
	out, err := asRoot(a.t.Context(), commands)
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

// A sandbox cannot read another's ports over IPv6, or has no IPv6. The test tries an engine
// that keeps networks apart, and an engine that does not.
func TestOneSandboxDoesNotReadAnothersPortsOverIPv6(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flags         string
		given, closed bool
	}{
		"an engine with rules":    {"--experimental --ip6tables=true", true, true},
		"an engine without rules": {"--experimental --ip6tables=false", false, false},
	} {
		if !c.given && !long() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			a := anotherEngine(t, c.flags)
			docker := "docker -H " + a.host
			said := a.run(fmt.Sprintf("%s=%s nsenter -t %s -n %s", envTryIPv6, a.host, a.pid, self))
			if given := strings.TrimSpace(said) == "given"; given != c.given {
				t.Errorf("IPv6 is given: %t, want %t: %s", given, c.given, said)
			}
			// Sandboxes have such networks, each with an IPv6 subnet.
			a.run(fmt.Sprintf(`for n in 1 2; do %s network create --ipv6 --subnet 10.99.$n.0/26 --subnet fd6b:3f2a:91c7:$n::/64 n$n; done >/dev/null
%[1]s run -d --name server --network n1 --ip6 fd6b:3f2a:91c7:1::10 %s httpd -f -p '[::]:80' -h /etc >/dev/null`, docker, rig.ImageBusybox))
			read := docker + " run --rm --network %s " + rig.ImageBusybox + " wget -q -T 2 -O - 'http://[fd6b:3f2a:91c7:1::10]/hostname'"
			a.run("n=0; until " + fmt.Sprintf(read, "n1") + " >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 30 ]; sleep 0.1; done")
			// A network's first packets may come too early.
			_, err := asRoot(t.Context(), "n=0; until "+fmt.Sprintf(read, "n2")+"; do n=$((n+1)); [ $n -lt 4 ]; done")
			if closed := err != nil; closed != c.closed {
				t.Errorf("another network is kept away: %t, want %t", closed, c.closed)
			}
			a.run(docker + " rm -f server >/dev/null")
			if left := a.run(docker + " network ls -q --filter label=gitlab-dind-executor.role"); strings.TrimSpace(left) != "" {
				t.Errorf("the trial left %s", left)
			}
		})
	}
}

// The rules of docs/security.md keep sandboxes from their host over IPv6. This goes for
// sandboxes with IPv6, and for sandboxes that give themselves a link-local address.
func TestTheFirewallRecipeKeepsSandboxesFromTheHostByIPv6(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	a := anotherEngine(t, "--experimental --ip6tables=true")
	docker, within := "docker -H "+a.host, "nsenter -t "+a.pid+" -n sh -eu -c "
	a.run(fmt.Sprintf(`%s network create --ipv6 --subnet 10.99.1.0/26 --subnet fd6b:3f2a:91c7:1::/64 n1 >/dev/null
%[1]s run -d --name host --network host %s httpd -f -p '[::]:8081' -h /etc >/dev/null
%[1]s run -d --name job --network n1 %[2]s sleep 600 >/dev/null`, docker, rig.ImageBusybox))
	local := strings.TrimSpace(a.run(within + `'for i in /proc/sys/net/ipv6/conf/br-*; do ip -6 -o addr show dev ${i##*/} scope link; done' | awk '{ sub("/.*", "", $4); print $4; exit }'`))
	reads := func(address string) bool {
		_, err := asRoot(t.Context(), fmt.Sprintf(`%s exec job wget -q -T 2 -O - 'http://[%s]:8081/hostname' >/dev/null`, docker, address))
		return err == nil
	}
	ways := map[string]string{"the gateway": "fd6b:3f2a:91c7:1::1", "a link-local address": local + "%eth0"}
	for name, address := range ways {
		until(t, "the host's service at "+name+", "+address, func() bool { return reads(address) })
	}
	quoted := func(n int) string { return "'" + strings.ReplaceAll(recipe(t, n), "'", `'\''`) + "'" }
	a.run(within + quoted(2))
	for name, address := range ways {
		if reads(address) {
			t.Errorf("with the rules %s, %s, is read", name, address)
		}
	}
	a.run(within + quoted(3))
	for name, address := range ways {
		if !reads(address) {
			t.Errorf("with the rules taken back %s, %s, is not read", name, address)
		}
	}
	a.run(docker + " rm -f host job >/dev/null")
}
