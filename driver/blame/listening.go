package blame

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/pattern"
)

var (
	saysListen = pattern.New(`API listen on ([^\s"\\]{1,120})`)
	saysReady  = pattern.New(`Daemon has completed initialization`)
)

// maxListens bounds the addresses shown of a sidecar, and maxName the length of a process's name.
// An address is cut after 120 characters, more than the path of a socket may have.
const (
	maxListens = 16
	maxName    = 40
)

// Listens are the addresses at which a dockerd says that it listens.
func Listens(log string) []string {
	var found []string
	for _, m := range saysListen.Regexp().FindAllStringSubmatch(log, -1) {
		if len(found) < maxListens && !slices.Contains(found, m[1]) {
			found = append(found, m[1])
		}
	}
	return found
}

// Probe is the outcome of the last question to an inner daemon.
type Probe int

// Outcomes of a question.
const (
	// ProbeUnclear: no answer, or the network is out of reach.
	ProbeUnclear Probe = iota
	// ProbeNoTLS: the daemon answers a question with TLS in plain text. ProbeTLS: the daemon
	// answers a plain question with TLS.
	ProbeNoTLS
	ProbeTLS
	// ProbeRefused: nobody listens at the port.
	ProbeRefused
)

// Complete tells whether a daemon has named all addresses at which it listens. dockerd opens all
// of them before it calls itself ready.
func Complete(log string, probe Probe) bool {
	return saysReady.MatchString(log) && probe != ProbeUnclear
}

// JudgeListening explains a daemon that has listened for a while and does not answer at port; nil
// if the cause is unclear. listens are the addresses named in its log, and arguments all
// arguments of the sidecar.
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

// programAlone tells whether a command begins with dockerd and names no address to listen at. The
// entrypoint of the official images adds addresses to flags alone, in all releases.
func programAlone(g plan.Given) bool {
	return g.Entrypoint == nil && len(g.Command) > 0 && path.Base(g.Command[0]) == "dockerd" && !namesListener(g.Command)
}

// namesListener tells whether arguments say where dockerd listens, or that it speaks TLS.
func namesListener(arguments []string) bool {
	return slices.ContainsFunc(flagsIn(arguments), func(f setFlag) bool {
		return f.name == "--host" || f.name == "-H" || strings.HasPrefix(f.name, "--tls") && f.value != "false"
	})
}

// sleepers are programs that wait and start nothing. idlers are sleepers that, in their usual
// calls, never end.
var (
	idlers   = []string{"tail", "cat", "pause"}
	sleepers = append([]string{"sleep"}, idlers...)
	// starters are programs that start others and wait for their end.
	starters = []string{"sh", "bash", "ash", "dash", "docker-init", "tini", "dumb-init"}
)

// JudgeProcesses explains a sidecar whose only process never becomes a docker daemon, or whose
// shell waits for such a program. The answer is nil if the cause is unclear. processes are the
// command lines.
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

// JudgeSilence explains a sidecar that runs no docker daemon after all of its time, by the
// pipeline's command; nil if the cause is unclear.
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

// fromProgram are the words of a process, from its program on. coreutils and busybox have the
// name of the program in the second word.
func fromProgram(process string) []string {
	words := strings.Fields(process)
	if len(words) > 0 && (path.Base(words[0]) == "coreutils" || path.Base(words[0]) == "busybox") {
		words = words[1:]
	}
	return words
}

// endless tells whether sleep is to last longer than a boot may take.
func endless(arguments []string) bool {
	if len(arguments) != 1 {
		return false
	}
	d, err := time.ParseDuration(arguments[0])
	seconds := strings.Trim(arguments[0], "0123456789")
	return strings.HasPrefix(arguments[0], "inf") || strings.HasSuffix(arguments[0], "d") && seconds == "d" ||
		err == nil && d >= time.Hour || seconds == "" && len(arguments[0]) >= 4
}
