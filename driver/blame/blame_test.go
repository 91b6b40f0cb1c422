package blame

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
)

// given is a pipeline that names an image for its daemon, and perhaps a command.
func given(command ...string) plan.Given { return plan.Given{Image: true, Command: command} }

func TestWhoseFaultItIsThatASidecarHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		given     plan.Given
		code      int
		log       string
		arguments []string
		line      string // "" for an unclear cause
		ofJob     bool
	}{
		"a flag of the pipeline's":         {given("--nope"), 125, "unknown flag: --nope\nSee 'dockerd --help'.", []string{"--nope"}, "flag that dockerd does not take: --nope", true},
		"with a value":                     {given("--nope=1"), 125, "Status: unknown flag: --nope\n", nil, "--nope", true},
		"a short one":                      {given("-x"), 125, "unknown shorthand flag: 'x' in -x\n", nil, "-x", true},
		"a value that does not fit":        {given("--mtu=wide"), 125, `invalid argument "wide" for "--mtu" flag: strconv.ParseInt`, nil, "--mtu", true},
		"of a flag with two names":         {given("-H", "x"), 125, `invalid argument "x" for "-H, --host" flag: invalid bind address`, nil, "-H", true},
		"a value that is missing":          {given("--mtu"), 125, "flag needs an argument: --mtu", nil, "--mtu", true},
		"a flag of the settings'":          {given("--debug"), 125, "unknown flag: --nope", []string{"--nope", "--debug"}, "sidecar.arguments", false},
		"a flag that nobody gave":          {given("--debug"), 125, "unknown flag: --nope", []string{"--debug"}, "", false},
		"a program that is not there":      {given("dockrd"), 127, "sh: dockrd: not found", nil, "cannot be run", true},
		"an image that has none":           {given(), 127, "dockerd: not found", nil, "has no docker daemon", true},
		"the settings' image has none":     {plan.Given{}, 127, "dockerd: not found", nil, "", false},
		"a program that has ended":         {given("true"), 0, "", nil, "has ended, and started no", true},
		"an entrypoint that has":           {plan.Given{Image: true, Entrypoint: []string{"true"}}, 0, "", nil, "has ended, and started no", true},
		"a daemon that somebody ended":     {given("--debug"), 0, "", nil, "", false},
		"a daemon that failed":             {given("--debug"), 1, "failed to start daemon: no space left on device", nil, "", false},
		"a flag in a word of the log's":    {given("--nope"), 1, "warning: flags may change", nil, "", false},
		"what the settings' daemon did":    {plan.Given{}, 1, "failed to start daemon", nil, "", false},
		"a wrong flag of the admin's only": {plan.Given{}, 125, "unknown flag: --nope", []string{"--nope"}, "sidecar.arguments", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := JudgeExit(c.given, Exit{Code: c.code, Log: c.log, Arguments: c.arguments})
			judged(t, got, c.line, c.ofJob)
		})
	}
}

// A runtime without capabilities is the admin's matter, whatever the pipeline says of its daemon.
func TestARuntimeWithoutCapabilitiesIsNoPipelinesFault(t *testing.T) {
	const nft = "iptables v1.8.10 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)"
	for name, c := range map[string]struct {
		given plan.Given
		exit  Exit
		want  bool
	}{
		"runsc":                           {plan.Given{}, Exit{Code: 1, Log: "iptables: Failed to initialize nft: Protocol not supported", Ordinary: true}, true},
		"runc":                            {plan.Given{}, Exit{Code: 1, Log: "failed to start daemon: " + nft, Ordinary: true}, true},
		"with a command of the pipeline":  {given("--debug"), Exit{Code: 1, Log: nft, Ordinary: true}, true},
		"runc, in an entrypoint":          {plan.Given{}, Exit{Code: 32, Log: "mount: /tmp: permission denied.\n       dmesg(1) may have more information after failed mount system call.\n", Ordinary: true}, true},
		"runc, in busybox's words":        {plan.Given{}, Exit{Code: 1, Log: "mount: permission denied (are you root?)", Ordinary: true}, true},
		"a mount that may fail":           {plan.Given{}, Exit{Code: 1, Log: "mount: /sys/kernel/security: permission denied.\nfailed to start daemon: no space left on device", Ordinary: true}, false},
		"with rights":                     {plan.Given{}, Exit{Code: 1, Log: nft}, false},
		"that ended well":                 {plan.Given{}, Exit{Log: nft, Ordinary: true}, false},
		"of which a file is out of reach": {plan.Given{}, Exit{Code: 1, Log: "open /x: permission denied", Ordinary: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			line := ""
			if c.want {
				line = "has no capabilities from its runtime"
			}
			got := JudgeExit(c.given, c.exit)
			judged(t, got, line, false)
			if c.want && (!strings.Contains(got.Hint, `"gvisor"`) || !strings.Contains(got.Hint, "sysbox")) {
				t.Errorf("hint %q", got.Hint)
			}
		})
	}
}

// The pipeline's own program may print anything. Its words never accuse settings or runtime.
func TestWordsOfThePipelinesOwnProgramAccuseNobodyElse(t *testing.T) {
	for _, said := range []string{
		"unknown flag: --mtu\nSee 'dockerd --help'.", `invalid argument "x" for "--mtu" flag: no number`, `"dockerd" accepts no arguments`,
		"failed to start daemon: --mtu is not valid", "iptables: Failed to initialize nft: Protocol not supported", "mount: /x: permission denied.",
	} {
		for _, g := range []plan.Given{
			given("sh", "-c", "echo words; exit 1"),
			{Image: true, Entrypoint: []string{"sh", "-c", "echo words; exit 1"}},
			{Image: true, Entrypoint: []string{"mine"}, Command: []string{"--debug"}},
		} {
			f := JudgeExit(g, Exit{Code: 1, Log: said, Arguments: slices.Concat([]string{"--mtu=1400", "x"}, g.Command), Ordinary: true})
			if f != nil && !f.OfJob {
				t.Errorf("%q of %+v: %+v", said, g, f)
			}
		}
	}
}

// The command of the pipeline's image looks like arguments of the settings.
func TestTheCommandOfAPipelinesImageIsNotTakenForTheSettings(t *testing.T) {
	for _, said := range []string{"unknown flag: --nope", `"dockerd" accepts no arguments`, "failed to start daemon: --nope is not valid"} {
		e := Exit{Code: 1, Log: said, Arguments: []string{"--nope=1", "word"}}
		for name, c := range map[string]struct {
			given       plan.Given
			image, hint bool
		}{
			"of the pipeline's image":  {given(), true, true},
			"with a command before it": {given("--debug"), false, true},
			"of the settings' own":     {plan.Given{}, false, false},
		} {
			e := e
			e.Arguments = slices.Concat(e.Arguments, c.given.Command)
			f := JudgeExit(c.given, e)
			if f == nil || f.OfJob || !strings.Contains(f.Line, "sidecar.arguments of the settings") ||
				strings.Contains(f.Line, "service's image") != c.image || strings.Contains(f.Hint, "another dind image") != c.hint {
				t.Errorf("%s, %q: %+v", name, said, f)
			}
		}
	}
}

func judged(t *testing.T, got *Fault, line string, ofJob bool) {
	t.Helper()
	switch {
	case got == nil && line == "":
	case got == nil || line == "":
		t.Errorf("got %+v, want %q", got, line)
	case !strings.Contains(got.Line, line) || got.OfJob != ofJob || got.Hint == "" || strings.HasSuffix(got.Line, "."):
		t.Errorf("got %+v, want %q, of the job %t", got, line, ofJob)
	}
}

func TestWhereADaemonListensTellsWhyItDoesNotAnswer(t *testing.T) {
	log := `time="x" level=info msg="API listen on /var/run/docker.sock"` + "\n" + `time="x" msg="API listen on [::]:2376"` + "\n"
	if got := Listens(log + log); !slices.Equal(got, []string{"/var/run/docker.sock", "[::]:2376"}) {
		t.Fatalf("it listens at %q", got)
	}
	socket, both := []string{"/var/run/docker.sock"}, []string{"/var/run/docker.sock", "[::]:2376"}
	for name, c := range map[string]struct {
		given     plan.Given
		arguments []string
		listens   []string
		probe     Probe
		line      string
		ofJob     bool
	}{
		"nowhere yet":            {given("dockerd"), nil, nil, ProbeUnclear, "", false},
		"at its socket alone":    {given("dockerd", "--mtu=1400"), nil, socket, ProbeRefused, "begins with dockerd and names no --host: the daemon listens at /var/run/docker.sock alone, and not at port 2376", true},
		"without a program":      {given("sh", "-c", "dockerd"), nil, socket, ProbeRefused, "the service's command lets the docker daemon listen at /var/run/docker.sock, and not", true},
		"by the settings":        {given(), []string{"--host=unix:///var/run/docker.sock"}, socket, ProbeUnclear, "listens at /var/run/docker.sock", false},
		"by the image":           {given(), []string{"--mtu=1400"}, socket, ProbeUnclear, "listens at /var/run/docker.sock", true},
		"by the settings' image": {plan.Given{}, nil, socket, ProbeUnclear, "listens at /var/run/docker.sock", false},
		"an image without TLS":   {given(), nil, []string{"[::]:2375"}, ProbeRefused, "listens at [::]:2375, and not at port 2376", true},
		"at another port":        {given("dockerd", "-H", "tcp://0.0.0.0:2375"), nil, []string{"[::]:2375"}, ProbeUnclear, "listen at [::]:2375", true},
		"where it should":        {given("dockerd"), nil, both, ProbeUnclear, "", false},
		"where it should, soon":  {given("dockerd"), nil, both, ProbeRefused, "", false},
		"without TLS":            {given("dockerd"), nil, both, ProbeNoTLS, "without TLS", true},
		"with TLS":               {given("dockerd"), nil, both, ProbeTLS, "with TLS", true},
	} {
		t.Run(name, func(t *testing.T) {
			judged(t, JudgeListening(c.given, c.arguments, c.listens, plan.TLSPort, c.probe), c.line, c.ofJob)
		})
	}
}

// Output and process names of a sidecar are in the job's hands, and may be long.
func TestWhatASidecarSaysOfItselfMakesNoLongLine(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	var log strings.Builder
	for i := range 2000 {
		log.WriteString("API listen on /run/" + strings.Repeat("y", i%500) + "\n")
	}
	listens := Listens("API listen on /" + long + "\n" + log.String())
	for name, f := range map[string]*Fault{
		"addresses": JudgeListening(given("run.sh"), nil, listens, plan.TLSPort, ProbeRefused),
		"a program": JudgeSilence(given("run.sh"), []string{"/bin/" + long}),
	} {
		if f == nil || len(f.Line) > 2500 {
			t.Errorf("%s: a line of %d bytes", name, len(f.Line))
		}
	}
}

func TestAProgramThatNeverBecomesADaemonIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		given     plan.Given
		processes []string
		line      string
	}{
		"sleep":                        {given("sleep", "1000"), []string{"sleep 1000"}, "runs no dockerd, but sleep"},
		"one program for all":          {given("sleep", "1000"), []string{"/bin/busybox sleep 1000"}, "but sleep"},
		"of the image":                 {given(), []string{"tail -f /dev/null"}, "but tail"},
		"of the settings' image":       {plan.Given{}, []string{"sleep 1000"}, ""},
		"what a script does meanwhile": {given("run.sh"), []string{"/bin/sh run.sh", "sleep 5"}, ""},
		"a script":                     {given("run.sh"), []string{"/bin/sh run.sh"}, ""},
		"a shell that waits for ever":  {given("sh", "-c", "sleep infinity; true"), []string{"sh -c sleep infinity; true", "sleep infinity"}, "but sleep"},
		"an init, and a shell":         {given("tail", "-f", "/x"), []string{"docker-init -- tail -f /x", "tail -f /x"}, "but tail"},
		"a long sleep":                 {given("sh", "-c", "sleep 1h; dockerd"), []string{"sh -c sleep 1h; dockerd", "sleep 1h"}, "but sleep"},
		"a log beside a daemon":        {given("run.sh"), []string{"sh run.sh", "dockerd", "tail -f /var/log/x"}, ""},
		"a program of its own":         {given("mine"), []string{"/usr/bin/mine"}, ""},
		"a daemon":                     {given("dockerd"), []string{"dockerd"}, ""},
		"what cannot be told":          {given("sleep", "1000"), nil, ""},
		"a process without a name":     {given("sleep", "1000"), []string{""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			judged(t, JudgeProcesses(c.given, c.processes), c.line, true)
		})
	}
}

func TestAPipelinesProgramThatHadAllItsTimeIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		given     plan.Given
		processes []string
		line      string
	}{
		"a script of its own":        {given("sh", "-c", "while sleep 1; do :; done"), []string{"sh -c while sleep 1; do :; done", "sleep 1"}, "but sh, sleep"},
		"another server":             {given("nginx"), []string{"nginx: master process", "nginx: worker process"}, "but nginx:"},
		"a daemon that is slow":      {given("sh", "-c", "dockerd"), []string{"sh -c dockerd", "dockerd"}, ""},
		"an entrypoint that is slow": {given("--debug"), []string{"sh /usr/local/bin/dockerd-entrypoint.sh --debug", "openssl genrsa"}, ""},
		"the official entrypoint":    {plan.Given{Image: true, Entrypoint: []string{"dockerd-entrypoint.sh"}}, []string{"sh /usr/local/bin/dockerd-entrypoint.sh", "openssl genrsa"}, ""},
		"the settings' program":      {given(), []string{"sh run.sh"}, ""},
		"what cannot be told":        {given("nginx"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			judged(t, JudgeSilence(c.given, c.processes), c.line, true)
		})
	}
}

func TestWhatAPipelineHasSaidOfItsDaemon(t *testing.T) {
	if g := plan.GivenBy([]plan.Service{{Image: plan.Image{Name: "redis:7"}}}); g.Image || g.Runs() {
		t.Errorf("nothing, and it is %+v", g)
	}
	g := plan.GivenBy([]plan.Service{{Image: plan.Image{Name: "redis:7"}}, {Image: plan.Image{Name: "docker:dind"}, Command: []string{"--mtu=1400"}}})
	if !g.Image || !g.Runs() || !slices.Equal(g.Command, []string{"--mtu=1400"}) {
		t.Errorf("it is %+v", g)
	}
}
