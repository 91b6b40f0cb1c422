package blame

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/plan"
)

var (
	saysListen = regexp.MustCompile(`API listen on ([^\s"\\]{1,120})`)
	saysReady  = regexp.MustCompile(`Daemon has completed initialization`)
)

// maxListens and maxName bound what is told of a sidecar's own words. An address is cut
// behind what the path of a socket may have.
const (
	maxListens = 16
	maxName    = 40
)

// Listens are the addresses at which a dockerd says that it listens.
func Listens(log string) []string {
	var found []string
	for _, m := range saysListen.FindAllStringSubmatch(log, -1) {
		if len(found) < maxListens && !slices.Contains(found, m[1]) {
			found = append(found, m[1])
		}
	}
	return found
}

// Probe is what the last question to an inner daemon came to.
type Probe int

// The outcomes of a question.
const (
	// ProbeUnclear is any other: nobody answers, or the network is out of reach.
	ProbeUnclear Probe = iota
	// ProbeNoTLS is an answer without TLS to a question with it, ProbeTLS the other
	// way round.
	ProbeNoTLS
	ProbeTLS
	// ProbeRefused says that nobody listens at the port.
	ProbeRefused
)

// Complete tells whether a daemon that listens has said all of where it does: what
// dockerd opens is open before it says that it is ready.
func Complete(log string, probe Probe) bool {
	return saysReady.MatchString(log) && probe != ProbeUnclear
}

// JudgeListening explains a daemon that has said for a while where it listens, and
// does not answer at port; nil when that is not clear. arguments are all that the
// sidecar was given.
func JudgeListening(g plan.Given, arguments, listens []string, port int, probe Probe) *Fault {
	at := func(port int) bool {
		return slices.ContainsFunc(listens, func(address string) bool {
			a, err := netip.ParseAddrPort(address)
			return err == nil && int(a.Port()) == port
		})
	}
	where := strings.Join(listens, ", ")
	var line string
	switch {
	case len(listens) == 0:
		return nil
	case !at(port) && programAlone(g):
		line = fmt.Sprintf("the service's command begins with dockerd and names no --host: the daemon listens at %s alone, and not at port %d", where, port)
	case !at(port) && g.Runs():
		line = fmt.Sprintf("the service's command lets the docker daemon listen at %s, and not at port %d", where, port)
	case !at(port):
		line = fmt.Sprintf("the docker daemon of this job listens at %s, and not at port %d", where, port)
	case probe == ProbeNoTLS:
		line = fmt.Sprintf("the docker daemon of this job listens at port %d without TLS, which its clients use", port)
	case probe == ProbeTLS:
		line = fmt.Sprintf("the docker daemon of this job listens at port %d with TLS, which its clients do not use", port)
	default:
		return nil
	}
	switch {
	case g.Runs():
		return &Fault{Line: line, Hint: hintCommand, OfJob: true}
	case g.Image && !namesListener(settingsArguments(g, arguments)):
		hint := hintImage
		if port == plan.TLSPort && at(plan.PlaintextPort) {
			hint = "use a dind image of docker 19.03 or later, which knows TLS, or set the variable DOCKER_TLS_CERTDIR to \"\""
		}
		return &Fault{Line: line, Hint: hint, OfJob: true}
	}
	if g.Image {
		return &Fault{Line: line, Hint: hintEither}
	}
	return &Fault{Line: line, Hint: hintAdmin}
}

// programAlone tells whether a command begins with dockerd and does not say where it
// is to listen. The entrypoint of the official images adds that to flags alone, in
// all releases.
func programAlone(g plan.Given) bool {
	return g.Entrypoint == nil && len(g.Command) > 0 && path.Base(g.Command[0]) == "dockerd" && !namesListener(g.Command)
}

// namesListener tells whether arguments say where dockerd listens, or whether it
// speaks TLS there.
func namesListener(arguments []string) bool {
	return slices.ContainsFunc(flagsIn(arguments), func(f setFlag) bool {
		return f.name == "--host" || f.name == "-H" || strings.HasPrefix(f.name, "--tls") && f.value != "false"
	})
}

// sleepers are programs that wait and start nothing, idlers those of them that never
// end as they are mostly called.
var (
	idlers   = []string{"tail", "cat", "pause"}
	sleepers = append([]string{"sleep"}, idlers...)
	// starters are what such a program may be started by: they wait for its end.
	starters = []string{"sh", "bash", "ash", "dash", "docker-init", "tini", "dumb-init"}
)

// JudgeProcesses explains a sidecar whose only process is a program that never
// becomes a docker daemon, or whose shell waits for one that never ends; nil when
// that is not clear. processes are their command lines.
func JudgeProcesses(g plan.Given, processes []string) *Fault {
	if !g.Image {
		return nil
	}
	waits := ""
	for _, p := range processes {
		words := fromProgram(p)
		if len(words) == 0 {
			return nil
		}
		name := path.Base(words[0])
		switch {
		case slices.Contains(sleepers, name) && len(processes) == 1, slices.Contains(idlers, name), name == "sleep" && endless(words[1:]):
			waits = name
		case !slices.Contains(starters, name):
			return nil
		}
	}
	if waits == "" {
		return nil
	}
	hint := hintCommand
	if !g.Runs() {
		hint = hintImage
	}
	return &Fault{Line: "the service that is to be the docker daemon of this job runs no dockerd, but " + waits, Hint: hint, OfJob: true}
}

// JudgeSilence explains a sidecar that has had all of its time and runs no docker
// daemon, by what the pipeline wanted to be run there; nil when that is not clear.
func JudgeSilence(g plan.Given, processes []string) *Fault {
	if !g.Runs() || len(processes) == 0 || g.Entrypoint == nil && plan.IsDockerd(g.Command) {
		return nil
	}
	var names []string
	for _, p := range processes {
		words := fromProgram(p)
		if len(words) == 0 {
			return nil
		}
		name := path.Base(words[0])
		script := ""
		if len(words) > 1 { // a shell runs the entrypoint of the official images
			script = path.Base(words[1])
		}
		if strings.HasPrefix(name, "dockerd") || strings.HasPrefix(script, "dockerd") || name == "rootlesskit" || name == "containerd" {
			return nil
		}
		if name = name[:min(len(name), maxName)]; !slices.Contains(names, name) && len(names) < 5 {
			names = append(names, name)
		}
	}
	return &Fault{
		Line: "the service that is to be the docker daemon of this job runs no dockerd, but " + strings.Join(names, ", "), Hint: hintCommand, OfJob: true,
	}
}

// fromProgram are the words of a process, from its program on: of one program for all,
// what it is follows.
func fromProgram(process string) []string {
	words := strings.Fields(process)
	if len(words) > 0 && (path.Base(words[0]) == "coreutils" || path.Base(words[0]) == "busybox") {
		words = words[1:]
	}
	return words
}

// endless tells whether sleep is to sleep for longer than a boot may take.
func endless(arguments []string) bool {
	if len(arguments) != 1 {
		return false
	}
	d, err := time.ParseDuration(arguments[0])
	seconds := strings.Trim(arguments[0], "0123456789")
	return strings.HasPrefix(arguments[0], "inf") || strings.HasSuffix(arguments[0], "d") && seconds == "d" ||
		err == nil && d >= time.Hour || seconds == "" && len(arguments[0]) >= 4
}
