package blame

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
)

// recordedEnd is the end of a dockerd of some release on a command line.
type recordedEnd struct {
	release   string
	arguments []string
	said      string
	code      int
}

// recordedEnds are in testdata/dockerd, printed by each of the releases tried.
func recordedEnds(t *testing.T) []recordedEnd {
	t.Helper()
	files, err := filepath.Glob("testdata/dockerd/*.txt")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	var ends []recordedEnd
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "$ dockerd ")[1:] {
			line, rest, _ := strings.Cut(block, "\n")
			said, code, found := strings.Cut(rest, "\nexit ")
			e := recordedEnd{release: strings.TrimSuffix(filepath.Base(f), ".txt"), said: said}
			if _, err := fmt.Sscan(code, &e.code); err != nil && found {
				t.Fatal(err)
			}
			if single, quoted := strings.CutPrefix(line, "'"); quoted {
				e.arguments = []string{strings.TrimSuffix(single, "'")}
			} else {
				e.arguments = strings.Fields(line)
			}
			ends = append(ends, e)
		}
	}
	return ends
}

// around adds other lines of a sidecar's log around the words of dockerd.
func around(said string) string {
	return "/certs/server/cert.pem: OK\nmodprobe: can't change directory to '/lib/modules': No such file or directory\niptables v1.8.11 (nf_tables)\n" +
		`time="2026-11-27T04:23:03Z" level=info msg="starting containerd" version=1.7` + "\n" + said + "\n" +
		`time="2026-11-27T04:23:04Z" level=info msg="containerd successfully booted in 0.048641s"` + "\n"
}

// aroundRootless adds rootlesskit's words, which name all flags.
func aroundRootless(said string, arguments []string) string {
	return around(said) + "[rootlesskit:child ] error: command [docker-init -- dockerd " + strings.Join(arguments, " ") +
		"] exited: exit status 1\n[rootlesskit:parent] error: child exited: exit status 1\n"
}

func TestWhatDockerdRefusesOfThePipelinesCommandIsTheJobsFault(t *testing.T) {
	ends := recordedEnds(t)
	if len(ends) < 120 {
		t.Fatalf("%d are recorded", len(ends))
	}
	for _, r := range ends {
		for kind, e := range map[string]Exit{
			"flags":    {Log: around(r.said), Arguments: r.arguments},
			"rootless": {Log: aroundRootless(r.said, r.arguments), Arguments: r.arguments},
			"a shell":  {Log: around(r.said)},
			"dockerd":  {Log: around(r.said), Arguments: append([]string{"dockerd"}, r.arguments...)},
			"settings": {Log: around(r.said), Arguments: append([]string{"--debug"}, r.arguments...)},
		} {
			e.Code = r.code
			g := given(r.arguments...)
			switch kind {
			case "dockerd":
				g.Command = e.Arguments
			case "a shell":
				g.Command = []string{"sh", "-c", "exec dockerd " + strings.Join(r.arguments, " ")}
				e.Arguments = g.Command
			}
			f := JudgeExit(g, e)
			if f == nil || !f.OfJob || f.Hint == "" || strings.Contains(f.Said, "rootlesskit") {
				t.Errorf("%s, %s of dockerd %q: %+v\n%s", r.release, kind, r.arguments, f, r.said)
			}
		}
	}
}

// The same words about a command line of the admin's alone are never the pipeline's fault,
// whatever else the pipeline says.
func TestWhatDockerdRefusesOfTheSettingsIsNeverTheJobsFault(t *testing.T) {
	for _, r := range recordedEnds(t) {
		if r.code == 0 {
			continue // a daemon that prints its version for the settings serves nobody
		}
		for name, g := range map[string]plan.Given{
			"nothing of the pipeline's": {}, "an image": {Image: true}, "another flag": given("--debug"),
			"a flag with a value": given("--max-concurrent-uploads=3"), "a variable": {Image: true, Variables: []string{"TZ"}},
		} {
			e := Exit{Code: r.code, Log: around(r.said), Arguments: slices.Concat(r.arguments, g.Command)}
			if strings.Contains(r.said, "daemon.json: ") && strings.Contains(r.said, "features") {
				continue // the image's file takes part
			}
			if f := JudgeExit(g, e); f != nil && f.OfJob {
				t.Errorf("%s, %s, of dockerd %q: %+v", r.release, name, r.arguments, f)
			}
		}
	}
}

// A lack of the host is not the pipeline's fault, even if the words name a flag of the pipeline
// or its value.
func TestWhatTheHostLacksIsNoPipelinesFault(t *testing.T) {
	commands := [][]string{
		{"--debug"},
		{"--storage-driver=overlay2"},
		{"-s", "overlay2"},
		{"--mtu=1400", "--dns=10.0.0.1"},
		{"--bip=10.200.0.1/24"},
		{"--iptables=true", "--ip6tables"},
		{"--insecure-registry=registry.example:5000", "--registry-mirror=https://mirror.example"},
		{"--userns-remap=default"},
		{"dockerd", "--host=tcp://0.0.0.0:2376", "--tlsverify"},
		{"sh", "-c", "exec dockerd-entrypoint.sh --debug"},
		{"--log-level=error"},
		{"--experimental"},
	}
	for _, said := range []string{
		"failed to start daemon: Error initializing network controller: error obtaining controller instance: failed to create NAT chain DOCKER: iptables failed: iptables -t nat -N DOCKER: iptables v1.8.7 (legacy): can't initialize iptables table `nat': Table does not exist (do you need to insmod?)",
		"failed to start daemon: error initializing graphdriver: failed to mount overlay: no such device",
		"failed to start daemon: error initializing graphdriver: overlay2: driver not supported",
		"failed to start daemon: error initializing graphdriver: write /var/lib/docker/overlay2/l: no space left on device",
		`failed to start daemon: Unable to get the TempDir under /var/lib/docker: mkdir /var/lib/docker/tmp: read-only file system`,
		"failed to start daemon: Devices cgroup isn't mounted",
		`failed to start daemon: failed to dial "/run/containerd/containerd.sock": context deadline exceeded`,
		"failed to start containerd: timeout waiting for containerd to start",
		`failed to start daemon: Error initializing network controller: error creating default "bridge" network: operation not permitted`,
		`failed to start daemon: Error initializing network controller: error creating default "bridge" network: cannot create network (docker0): conflicts with network: networks have same bridge name`,
		"failed to start daemon: open /var/lib/docker/containers: too many open files",
		"fork/exec /usr/bin/containerd: resource temporarily unavailable",
		"failed to create TLS: read /certs/server/key.pem: input/output error",
		"mount: /sys/kernel/security: permission denied.",
		"panic: runtime error: invalid memory address or nil pointer dereference",
		"",
	} {
		for _, command := range commands {
			if f := JudgeExit(given(command...), Exit{Code: 1, Log: around(said), Arguments: command}); f != nil {
				t.Errorf("%q of %q is judged: %+v", said, command, f)
			}
		}
	}
}

func TestWordsThatNameNoFlag(t *testing.T) {
	for name, c := range map[string]struct {
		given plan.Given
		exit  Exit
		line  string
		ofJob bool
	}{
		"one entry for a flag and its value": {
			given("--insecure-registry x:5000"), Exit{Log: "Status: unknown flag: --insecure-registry x:5000\nSee 'dockerd --help'., Code: 125"}, `one entry: "--insecure-registry x:5000"`, true,
		},
		"a driver that the filesystem has not": {
			given("-s", "btrfs"), Exit{Log: "failed to start daemon: error initializing graphdriver: prerequisites for driver not satisfied (wrong filesystem?)"}, "cannot have the storage driver", true,
		},
		"a driver that containerd has not": {
			given("--storage-driver=aufs"), Exit{Log: `failed to start daemon: configured driver "aufs" not available: unavailable`}, "--storage-driver", true,
		},
		"addresses that are taken": {
			given("--bip=172.17.0.1/16"), Exit{Log: "failed to start daemon: Error initializing network controller: Error creating default \"bridge\" network: Pool overlaps with other one on this address space"}, "cannot have the addresses", true,
		},
		"a variable": {
			plan.Given{Image: true, Variables: []string{"DOCKER_MIN_API_VERSION"}}, Exit{Log: "invalid DOCKER_MIN_API_VERSION: minimum supported API version is 1.40: 1.12"}, "the service's variable DOCKER_MIN_API_VERSION", true,
		},
		"the image's file": {
			given(), Exit{Log: "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives don't match any configuration option: mirrors"}, "daemon.json of the service's image", true,
		},
		"the image's file and what is always a flag": {
			given(), Exit{Log: "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are specified both as a flag and in the configuration file: hosts: (from flag: [unix:///var/run/docker.sock tcp://0.0.0.0:2376], from file: [fd://])"}, "daemon.json of the service's image", true,
		},
		"our part of the file": {
			given(), Exit{Log: "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives don't match any configuration option: default-network-opts"}, "", false,
		},
		"a file of the settings' image": {
			plan.Given{}, Exit{Log: "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives don't match any configuration option: mirrors"}, "", false,
		},
		"a flag that the image's file has": {
			given("--feature=x=true"), Exit{Log: "unable to configure the Docker daemon with file /etc/docker/daemon.json: the following directives are specified both as a flag and in the configuration file: features: (from flag: map[x:true], from file: map[y:true])"}, "sets --feature, and daemon.json", true,
		},
		"a user without root's rights": {
			plan.Given{Image: true, User: "1000"}, Exit{Log: "dockerd needs to be started with root privileges. To run dockerd in rootless mode as an unprivileged user, see https://docs.docker.com/go/rootless/"}, "the service's user 1000", true,
		},
		"an image of another platform": {
			given(), Exit{Log: "exec /usr/local/bin/dockerd-entrypoint.sh: exec format error"}, "another kind of machine", true,
		},
		"the client's image": {
			given("--mtu=1400"), Exit{Code: 125, Log: "unknown flag: --mtu\nSee 'docker --help'.", Arguments: []string{"--mtu=1400"}}, "runs docker's client", true,
		},
		"the settings' image of another platform": {plan.Given{}, Exit{Log: "exec /usr/local/bin/dockerd-entrypoint.sh: exec format error"}, "", false},
		"an entrypoint with flags": {
			plan.Given{Image: true, Entrypoint: []string{"dockerd", "--nope"}}, Exit{Log: "Status: unknown flag: --nope\nSee 'dockerd --help'., Code: 125"}, "--nope", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.exit.Code = max(c.exit.Code, 1)
			judged(t, JudgeExit(c.given, c.exit), c.line, c.ofJob)
		})
	}
}

func TestAnEndWithoutADaemon(t *testing.T) {
	const up = `time="x" level=info msg="Starting up"`
	for name, c := range map[string]struct {
		given plan.Given
		log   string
		line  string
	}{
		"an image with a client alone":       {given(), "", "has ended, and started no docker daemon"},
		"a daemon that somebody ended":       {given(), up, ""},
		"one that a program began":           {given("sh", "-c", "exec dockerd"), up, ""},
		"one by an entrypoint":               {plan.Given{Image: true, Entrypoint: []string{"run.sh"}}, up, ""},
		"that says little":                   {given("--log-level=error"), "", ""},
		"the settings' image":                {plan.Given{}, "", ""},
		"a version":                          {given("--version"), "Docker version 26.1.5, build 411e817", "has --version"},
		"a check of the flags":               {given("--validate", "--mtu=1400"), "configuration OK", "has --validate"},
		"a version, with the program before": {given("dockerd", "-v"), "Docker version 26.1.5, build 411e817", "has -v"},
	} {
		t.Run(name, func(t *testing.T) {
			judged(t, JudgeExit(c.given, Exit{Log: c.log}), c.line, true)
		})
	}
}
