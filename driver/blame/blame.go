package blame

import (
	"fmt"
	"slices"
	"strings"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/pattern"
)

// Fault explains why an inner daemon does not serve its job. A fault names only known causes.
type Fault struct {
	Line, Hint string
	// OfJob: the cause is in the pipeline, so a retry does not help.
	OfJob bool
	// Said is the line by which the daemon has told the cause. It is empty if the last lines of
	// the log tell more.
	Said string
}

const (
	hintFlags   = "mend the service's command: a list of flags of dockerd, such as [\"--mtu=1400\"], is added to what the daemon needs"
	hintCommand = "leave the program out of the service's command, which then is a list of flags and is added to what the daemon needs"
	hintAdmin   = "ask the runner's admin to mend sidecar.arguments and sidecar.image in the settings"
	hintEither  = "use another dind image, such as docker:dind, or ask the runner's admin to mend sidecar.arguments in the settings"
	hintRuntime = "sidecar.privilege = \"runtime\" is for runtimes that give capabilities themselves, as sysbox does; for gVisor's runsc the runner's admin sets \"gvisor\" (docs/gvisor.md)"
	hintImage   = "use a dind image, such as docker:dind"
	hintOneWord = "write a flag and its value as one entry with an equals sign, such as [\"--mtu=1400\"], or as two entries"
)

var (
	notFound = []int{126, 127}
	// powerless matches the complaint of iptables without capabilities, or of a mount at the end
	// of an entrypoint. Earlier mounts may fail without harm.
	powerless = pattern.New(`(?i)failed to initialize nft|iptables[^\n]*(?:permission denied|not permitted|must be root)` +
		`|\bmount: [^\n]*(?:permission denied|not permitted)[^\n]*(?:\n[^\n]*dmesg[^\n]*)?\s*\z`)
	// began matches the words of a starting dockerd, unless its log level hides them.
	began = pattern.New(`msg="(?:Starting up|Daemon has completed|Loading containers)|API listen on `)
	// prints are the flags by which dockerd prints something and ends.
	prints = []string{"--version", "-v", "--help", "-h", "--validate"}
)

// Exit is the end of a sidecar.
type Exit struct {
	Code int
	// Log has the last lines of the sidecar's log.
	Log string
	// Arguments are all arguments of the sidecar's dockerd.
	Arguments []string
	// Ordinary: the engine gave the container no rights, so rights are a matter of its runtime.
	Ordinary bool
}

// JudgeExit explains a sidecar that ended before its daemon answered; nil if the cause is
// unclear.
func JudgeExit(g plan.Given, e Exit) *Fault {
	if e.Ordinary && e.Code != 0 && !runsOwn(g) && powerless.MatchString(e.Log) {
		return &Fault{Line: "the docker daemon of this job has no capabilities from its runtime", Hint: hintRuntime}
	}
	if e.Code == 0 {
		return judgeEnd(g, e)
	}
	if slices.Contains(notFound, e.Code) {
		switch {
		case g.Runs():
			return &Fault{Line: "what the service's command or entrypoint names cannot be run in its image", Hint: hintCommand, OfJob: true}
		case g.Image:
			return &Fault{Line: "the service's image has no docker daemon", Hint: hintImage, OfJob: true}
		}
		return nil
	}
	if f := judgeWords(g, e); f != nil && (f.OfJob || !runsOwn(g)) {
		return f
	}
	return nil
}

// runsOwn tells whether the pipeline runs a program of its own in the sidecar. Such a program may
// print anything, so its words accuse neither settings nor runtime.
func runsOwn(g plan.Given) bool { return g.Entrypoint != nil || !plan.IsDockerd(g.Command) }

// notOfCommand is a fault in arguments that are not in the pipeline's command. Its line is made
// of before, the place of the arguments, and behind. If the pipeline names an image and no
// command, the place may be the image.
func notOfCommand(g plan.Given, before, behind string) *Fault {
	who, hint := "sidecar.arguments of the settings", hintAdmin
	if g.Image {
		hint = hintEither
		if len(g.Command) == 0 {
			who = "sidecar.arguments of the settings or the command of the service's image"
		}
	}
	return &Fault{Line: before + who + behind, Hint: hint}
}

// judgeEnd explains a sidecar that ended with code 0.
func judgeEnd(g plan.Given, e Exit) *Fault {
	printed := slices.IndexFunc(prints, func(flag string) bool { return hasFlag(g.Words(), flag) })
	switch {
	case runsOwn(g) && began.MatchString(e.Log):
		return nil // an engine that stops ends the sidecar with this code as well
	case runsOwn(g):
		return &Fault{Line: "the service's command or entrypoint has ended, and started no docker daemon", Hint: hintCommand, OfJob: true}
	case printed >= 0:
		return &Fault{
			Line: fmt.Sprintf("the service's command has %s, by which dockerd starts no docker daemon", prints[printed]), Hint: hintFlags, OfJob: true,
		}
	case g.Image && len(g.Command) == 0 && !began.MatchString(e.Log):
		return &Fault{Line: "the service's image has ended, and started no docker daemon", Hint: hintImage, OfJob: true}
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
