package engines

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// The defaults are the short form, which runs with all other tests.
var (
	engineNames = flag.String("engines", "", "engines of hosts, with commas: bookworm,trixie,forky; without, the short form runs")
	innerNames  = flag.String("inner", "bookworm,trixie,forky,containerd", "daemons of sidecars, with commas")
	only        = flag.String("jobs", "", "a regular expression: these tests of test/e2e instead of the selection")
	twoHosts    = flag.Bool("two-hosts", false, "also let two hosts share jobs")
	here        = flag.Bool("here", false, "run the jobs on the engine that DOCKER_HOST names, with its images")
	runsc       = flag.String("runsc", "", "gVisor's runtime: also run jobs in gVisor, on an engine that hands annotations to it")
	verbose     = flag.Bool("logs", false, "show all that the tests in a host say")
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	defer removePrograms()
	return m.Run()
}

// daemons are the daemons for sidecars, by name, with the tags of their images.
var daemons = map[string]struct{ dind, rootless string }{
	"bookworm":   {"docker:bookworm-dind", "docker:bookworm-dind-rootless"},
	"trixie":     {"docker:trixie-dind", "docker:trixie-dind-rootless"},
	"forky":      {"docker:forky-dind", "docker:forky-dind-rootless"},
	"containerd": {"docker:containerd-dind", "docker:containerd-dind-rootless"},
}

// hosts are the images of hosts, by the name of the host's engine.
var hosts = map[string]string{
	"bookworm": imageRoot + "docker:bookworm-dind",
	"trixie":   rig.ImageDind,
	"forky":    imageRoot + "docker:forky-dind",
}

func TestEngines(t *testing.T) {
	cli := engine(t)
	if *here {
		t.Run("this one", func(t *testing.T) { thisEngine(t, cli) })
	} else if *engineNames == "" && !*twoHosts && *runsc == "" {
		t.Run("another", func(t *testing.T) { anotherEngine(t, cli) })
	}
	if *engineNames != "" {
		pairs(t, cli, strings.Split(*engineNames, ","), strings.Split(*innerNames, ","))
	}
	if *runsc != "" {
		t.Run("gvisor", func(t *testing.T) {
			images := append(rig.Images(), imageRoot+daemons["forky"].dind, imageRoot+daemons["containerd"].dind)
			require(t, cli, images...)
			h := startHost(t, cli, hosts["forky"], images...)
			t.Attr("engine", h.version+", with gVisor")
			// An engine without IPv6 gives a container no IPv6.
			h.must(bootTime, "sh", "-c", "for i in all default lo eth0; do echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done")
			h.jobs(t, inGVisor, time.Hour)
			// The usual image is then of a later daemon.
			h.tag(map[string]string{daemons["forky"].dind: "docker:dind"})
			h.jobs(t, pipelinesInGVisor, time.Hour, lab.Privilege+"="+config.PrivilegeGVisor)
		})
	}
	if *twoHosts {
		t.Run("two hosts", func(t *testing.T) { shareJobs(t, cli) })
	}
}

// anotherEngine runs a few jobs with another engine on the host and another daemon in the
// sidecar than this machine's. All images are those of the other tests, so that a machine
// without a cache builds no more images.
func anotherEngine(t *testing.T, cli *client.Client) {
	images := []string{rig.ImageCLI, rig.ImageDind, rig.ImageHelper, rig.ImageRegistry, rig.ImageBusybox}
	require(t, cli, images...)
	h := startHost(t, cli, hosts["trixie"], images...)
	t.Attr("engine", h.version)
	h.jobs(t, short, 5*time.Minute)
}

// pairs runs the selected jobs with each engine on the host and each daemon in the sidecar.
func pairs(t *testing.T, cli *client.Client, engines, inner []string) {
	images := rig.Images()
	for _, name := range inner {
		d, known := daemons[name]
		if !known {
			t.Fatalf("there is no daemon %q", name)
		}
		if name != "trixie" { // trixie has the usual names
			images = append(images, imageRoot+d.dind, imageRoot+d.rootless)
		}
	}
	require(t, cli, images...)
	for e, name := range engines {
		t.Run("engine="+name, func(t *testing.T) {
			if hosts[name] == "" {
				t.Fatalf("there is no engine %q", name)
			}
			h := startHost(t, cli, hosts[name], images...)
			h.tag(map[string]string{"docker:dind": daemons["trixie"].dind, "docker:dind-rootless": daemons["trixie"].rootless})
			for i, name := range inner {
				t.Run("inner="+name, func(t *testing.T) {
					h.tag(map[string]string{daemons[name].dind: "docker:dind", daemons[name].rootless: "docker:dind-rootless"})
					version := h.must(bootTime, "docker", "run", "--rm", "--network", "none", "--entrypoint", "dockerd", rig.ImageDind, "--version")
					t.Attr("engine", fmt.Sprintf("%s, inner daemon %s: %s", h.version, name, strings.TrimSpace(version)))
					tests := ofPair
					if i == 0 {
						tests = slices.Concat(tests, ofEngine)
					}
					if e == 0 {
						tests = slices.Concat(tests, ofDaemon)
					}
					h.jobs(t, tests, time.Hour)
				})
			}
		})
	}
}

// thisEngine runs the selected jobs on an existing engine of any version, with images from
// registries.
func thisEngine(t *testing.T, cli *client.Client) {
	require(t, cli, rig.Images()...)
	server, err := cli.ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, version: server.Version}
	t.Attr("engine", h.version)
	h.jobs(t, slices.Concat(ofEngine, ofDaemon, ofPair), time.Hour)
}

// engine is a client of this machine's engine. At the test's end the engine's lists must be as
// now.
func engine(t *testing.T) *client.Client {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	rig.Unchanged(t, cli)
	return cli
}

// require ends the test when images are missing.
func require(t *testing.T, cli *client.Client, images ...string) {
	t.Helper()
	if err := rig.Require(t.Context(), cli, images...); err != nil {
		t.Fatalf("%v, or scripts/engines", err)
	}
}

// jobs runs tests of test/e2e in the host, with more variables. Each test must pass.
func (h *host) jobs(t *testing.T, tests []string, bound time.Duration, env ...string) {
	t.Helper()
	pattern := "^(" + strings.Join(tests, "|") + ")$"
	if *only != "" {
		pattern = *only
	}
	said := &report{t: t}
	dir := programs
	if h.name == "" {
		dir = buildPrograms(t)
	}
	err := h.run(t.Context(), bound, said, append(env, "DIND_E2E_LONG=1", "DIND_LAB_BINARY="+dir+"/gitlab-dind-executor", rig.EnvSlower+"="+os.Getenv(rig.EnvSlower)),
		dir+"/e2e.test", "-test.v", "-test.timeout", bound.String(), "-test.run", pattern)
	if err != nil || *verbose {
		t.Logf("they said:\n%s", said.all.String())
	}
	if err != nil {
		t.Errorf("jobs failed on engine %s: %v", h.version, err)
	}
	if *only == "" && said.passed != len(tests) {
		t.Errorf("%d of %d tests passed on engine %s", said.passed, len(tests), h.version)
	}
}

// report is the output of tests in a host. It shows the end of each test at once.
type report struct {
	t      *testing.T
	all    bytes.Buffer
	read   int
	passed int
}

var ended = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+ \([0-9.]+s\))$`)

func (r *report) Write(p []byte) (int, error) {
	r.all.Write(p)
	for {
		line, _, whole := bytes.Cut(r.all.Bytes()[r.read:], []byte("\n"))
		if !whole {
			return len(p), nil
		}
		r.read += len(line) + 1
		if m := ended.FindSubmatch(line); m != nil {
			r.t.Logf("%s %s", m[1], m[2])
			if string(m[1]) == "PASS" {
				r.passed++
			}
		}
	}
}
