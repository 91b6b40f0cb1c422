package plan

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Given is what the pipeline has said of the job's sidecar. All else is the
// settings'.
type Given struct {
	// Image says that it named the image.
	Image               bool
	Entrypoint, Command []string
}

// GivenBy finds it among the services that a pipeline declares.
func GivenBy(services []Service) Given {
	declared, _, err := splitServices(services)
	if err != nil || declared == nil {
		return Given{}
	}
	return Given{Image: true, Entrypoint: declared.Entrypoint, Command: declared.Command}
}

// runs tells whether the pipeline says what runs in the sidecar.
func (g Given) runs() bool { return g.Entrypoint != nil || len(g.Command) > 0 }

// BootFault is why an inner daemon does not serve its job, as far as it is known.
type BootFault struct {
	Line, Hint string
	// OfJob is for what the pipeline has said.
	OfJob bool
}

const (
	hintFlags   = "mend the service's command: a list of flags of dockerd, such as [\"--mtu=1400\"], is added to what the daemon needs"
	hintCommand = "leave the program out of the service's command, which then is a list of flags and is added to what the daemon needs"
	hintAdmin   = "ask the runner's admin to mend sidecar.arguments and sidecar.image in the settings"
	hintRuntime = "sidecar.privilege = \"runtime\" is for runtimes that give capabilities themselves, as sysbox does; for gVisor's runsc the runner's admin sets \"gvisor\" (docs/gvisor.md)"
)

var (
	wrongFlag = regexp.MustCompile(`(?m)(?:unknown (?:shorthand )?flag: (?:'[^']*' in )?(-[^\s"]*)|flag needs an argument: (?:'[^']*' in )?(-[^\s"]*)|invalid argument "[^"\n]*" for "([^"\n]*)" flag)`)
	notFound  = []int{126, 127}
	// powerless is what iptables says without capabilities, or what mount does at the
	// end of an entrypoint: on the way to it some mounts may fail.
	powerless = regexp.MustCompile(`(?i)failed to initialize nft|iptables[^\n]*(?:permission denied|not permitted|must be root)` +
		`|\bmount: [^\n]*(?:permission denied|not permitted)[^\n]*(?:\n[^\n]*dmesg[^\n]*)?\s*\z`)
	saysListen = regexp.MustCompile(`API listen on ([^\s"\\]+)`)
)

// Exit is how a sidecar has ended.
type Exit struct {
	Code int
	// Log are its last lines.
	Log string
	// Arguments are all that its dockerd was given.
	Arguments []string
	// Ordinary says that the engine gave its container no rights: they are its
	// runtime's matter.
	Ordinary bool
}

// JudgeExit explains a sidecar that has ended before its daemon answered; nil when
// that is not clear.
func JudgeExit(g Given, e Exit) *BootFault {
	if e.Ordinary && e.Code != 0 && powerless.MatchString(e.Log) {
		return &BootFault{"the docker daemon of this job has no capabilities from its runtime", hintRuntime, false}
	}
	if m := wrongFlag.FindStringSubmatch(e.Log); m != nil {
		// Both forms of a flag may be named at once: "-m, --mtu".
		for _, flag := range Words(m[1] + " " + m[2] + " " + m[3]) {
			if hasFlag(g.Command, flag) {
				return &BootFault{"the service's command has a flag that dockerd does not take: " + flag, hintFlags, true}
			}
			if hasFlag(e.Arguments, flag) {
				return &BootFault{"sidecar.arguments of the settings have a flag that this dockerd does not take: " + flag, hintAdmin, false}
			}
		}
		return nil
	}
	program := !isDockerd(g.Command) || g.Entrypoint != nil
	switch {
	case slices.Contains(notFound, e.Code) && g.runs():
		return &BootFault{"what the service's command or entrypoint names cannot be run in its image", hintCommand, true}
	case slices.Contains(notFound, e.Code) && g.Image:
		return &BootFault{"the service's image has no docker daemon", "use a dind image, such as docker:dind", true}
	case e.Code == 0 && program:
		return &BootFault{"the service's command or entrypoint has ended, and started no docker daemon", hintCommand, true}
	}
	return nil
}

// hasFlag tells whether arguments have a flag, with or without its value.
func hasFlag(arguments []string, flag string) bool {
	return slices.ContainsFunc(arguments, func(a string) bool {
		name, _, _ := strings.Cut(a, "=")
		return name == flag || len(flag) == 2 && flag[1] != '-' && strings.HasPrefix(a, flag) && !strings.HasPrefix(a, "--")
	})
}

// Listens are the addresses at which a dockerd says that it listens.
func Listens(log string) []string {
	var found []string
	for _, m := range saysListen.FindAllStringSubmatch(log, -1) {
		if !slices.Contains(found, m[1]) {
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
)

// JudgeListening explains a daemon that has said for a while where it listens, and
// does not answer at port; nil when that is not clear.
func JudgeListening(g Given, listens []string, port int, probe Probe) *BootFault {
	at := slices.ContainsFunc(listens, func(address string) bool {
		a, err := netip.ParseAddrPort(address)
		return err == nil && int(a.Port()) == port
	})
	var line string
	switch {
	case len(listens) == 0:
		return nil
	case !at:
		line = fmt.Sprintf("the docker daemon of this job listens at %s, and not at port %d", strings.Join(listens, ", "), port)
	case at && probe == ProbeNoTLS:
		line = fmt.Sprintf("the docker daemon of this job listens at port %d without TLS, which its clients use", port)
	case at && probe == ProbeTLS:
		line = fmt.Sprintf("the docker daemon of this job listens at port %d with TLS, which its clients do not use", port)
	default:
		return nil
	}
	if g.runs() {
		return &BootFault{line, hintCommand, true}
	}
	return &BootFault{line, hintAdmin, false}
}

// idlers are programs that wait for ever and start nothing.
var idlers = []string{"sleep", "tail", "cat", "pause"}

// JudgeProcesses explains a sidecar whose only process is a program that never
// becomes a docker daemon; nil when that is not clear. processes are their command
// lines.
func JudgeProcesses(g Given, processes []string) *BootFault {
	if len(processes) != 1 || !g.Image {
		return nil
	}
	words := strings.Fields(processes[0])
	if len(words) == 0 {
		return nil
	}
	name := path.Base(words[0])
	if name == "coreutils" || name == "busybox" { // one program for all: what it is follows
		if len(words) < 2 {
			return nil
		}
		name = path.Base(words[1])
	}
	if !slices.Contains(idlers, name) {
		return nil
	}
	hint := hintCommand
	if !g.runs() {
		hint = "use a dind image, such as docker:dind"
	}
	return &BootFault{"the service that is to be the docker daemon of this job runs no dockerd, but " + name, hint, true}
}
