package blame

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/pattern"
)

// Words of dockerd before it ends, in all its releases. Only these words tell faults of its
// command line, of its daemon.json and of the host.
var (
	// wrongFlag has three groups, for the three forms in which dockerd names a flag.
	wrongFlag = pattern.New(`(?:unknown (?:shorthand )?flag: (?:'[^']*' in )?(-.*)|flag needs an argument: (?:'[^']*' in )?(-.*)|invalid argument ".*" for "([^"]*)" flag)`)
	// noArguments is about a word that is neither a flag nor a flag's value.
	noArguments = pattern.New(`"dockerd" accepts no arguments?|"dockerd" accepts no argument\(s\)`)
	// usage is all that some releases print about such a word.
	usage = pattern.New(`(?m)^Usage:\s+dockerd`)
	// aClient matches words of docker about a flag, which dockerd never prints.
	aClient = pattern.New(`See 'docker --help'|Run 'docker --help'`)
	// ofHost matches lacks of the host, whatever the flags are.
	ofHost = pattern.New(`(?i)no space left|cannot allocate memory|out of memory|input/output error|read-only file system|not permitted|permission denied|` +
		`too many open files|resource busy|no such device|iptables[^\n]*failed|modprobe|deadline exceeded|connection refused|timed out|timeout|` +
		`cgroup isn't mounted|system requirements|temporarily unavailable|failed to dial|quota exceeded`)
	// inBoth is about a key set both by a flag and by the file.
	inBoth = pattern.New(`specified both as a flag and in the configuration file: ([a-z0-9-]+):`)
	// unknownKeys are keys in the file that this release does not have.
	unknownKeys = pattern.New(`directives don't match any configuration option: ([a-z0-9-]+)`)
	// ofTLS matches faults of certificates. configured matches all faults that a daemon finds
	// before it touches the host.
	ofTLS       = pattern.New(`invalid TLS configuration|X509 key pair`)
	configured  = pattern.New(`unable to configure the Docker daemon|configuration validation|invalid TLS configuration|X509 key pair`)
	storageFlag = pattern.New(`error initializing graphdriver|storage-driver|configured driver "[^"]*" not available`)
	noRoot      = pattern.New(`needs to be started with root|attempting to run rootless dockerd`)
	otherCPU    = pattern.New(`exec format error`)
	overlaps    = pattern.New(`(?i)pool overlaps|has a smaller prefix|no available network|non-overlapping`)
)

// judgeWords explains a sidecar by the last words of its dockerd.
func judgeWords(g plan.Given, e Exit) *Fault {
	said := lastWords(e.Log)
	given, others := flagsIn(g.Words()), flagsIn(settingsArguments(g, e.Arguments))
	f := judgeFlag(g, e, said)
	switch {
	case g.Image && aClient.MatchString(e.Log):
		f = &Fault{Line: "the service's image runs docker's client, and no docker daemon", Hint: hintImage, OfJob: true}
	case f != nil, wrongFlag.MatchString(said):
	case noArguments.MatchString(said):
		f = judgeArguments(g, e)
	case usage.MatchString(e.Log):
		return judgeArguments(g, e)
	case g.Image && otherCPU.MatchString(said):
		f = &Fault{Line: "the service's image is for another kind of machine", Hint: "use an image for this runner's platform, or leave out the service's platform", OfJob: true}
	case g.User != "" && noRoot.MatchString(said):
		f = &Fault{
			Line: "the docker daemon of this job cannot run as the service's user " + g.User, OfJob: true,
			Hint: "leave out the service's docker: user, or use a dind-rootless image on a runner that has them",
		}
	case ofHost.MatchString(said):
		return nil
	default:
		f = judgeConfiguration(g, given, others, said)
	}
	if f != nil {
		f.Said = said
	}
	return f
}

// judgeFlag explains a flag that dockerd does not take.
func judgeFlag(g plan.Given, e Exit, said string) *Fault {
	m := wrongFlag.FindStringSubmatch(said)
	if m == nil || aClient.MatchString(e.Log) {
		return nil
	}
	named := strings.TrimSuffix(m[1]+m[2]+m[3], ", Code: 125")
	if m[1] != "" && slices.ContainsFunc(slices.Concat(g.Entrypoint, g.Command), func(w string) bool {
		return strings.Contains(named, " ") && strings.HasPrefix(w, named)
	}) {
		return &Fault{Line: fmt.Sprintf("the service's command has a flag and its value in one entry: %q", named), Hint: hintOneWord, OfJob: true}
	}
	// Both forms of a flag may be named at once: "-m, --mtu".
	for _, flag := range plan.Words(named) {
		flag, _, _ = strings.Cut(flag, "=")
		if hasFlag(g.Words(), flag) {
			return &Fault{Line: "the service's command has a flag that dockerd does not take: " + flag, Hint: hintFlags, OfJob: true}
		}
		if hasFlag(e.Arguments, flag) {
			return notOfCommand(g, "", " have a flag that this dockerd does not take: "+flag)
		}
	}
	return nil
}

// judgeArguments explains a word that is no flag of dockerd.
func judgeArguments(g plan.Given, e Exit) *Fault {
	switch {
	case loose(settingsArguments(g, e.Arguments)):
		return notOfCommand(g, "", " have a word that dockerd does not take")
	case g.Runs():
		return &Fault{Line: "the service's command has a word that dockerd does not take", Hint: hintFlags, OfJob: true}
	}
	return nil
}

// judgeConfiguration explains a fault in flags, variables and daemon.json together.
func judgeConfiguration(g plan.Given, given, others []setFlag, said string) *Fault {
	job := func(line, hint string) *Fault { return &Fault{Line: line, Hint: hint, OfJob: true} }
	image := func(key string) *Fault {
		if !g.Image || key != "" && plan.OurKey(key) {
			return nil
		}
		return job("dockerd does not take /etc/docker/daemon.json of the service's image", "mend the file in the image, or use an image without it, such as docker:dind")
	}
	if m := inBoth.FindStringSubmatch(said); m != nil {
		if i := slices.IndexFunc(given, func(f setFlag) bool { return f.sets(m[1]) }); i >= 0 {
			return job("the service's command sets "+given[i].name+", and daemon.json of its image does, too", "leave the flag out, or use an image whose daemon.json does not have it")
		}
		return image(m[1])
	}
	if m := unknownKeys.FindStringSubmatch(said); m != nil {
		return image(m[1])
	}
	for _, f := range given {
		if f.namedIn(said) {
			return job("dockerd refuses what the service's command says: "+f.name, hintFlags)
		}
	}
	for _, name := range g.Variables {
		if bounded(said, name) {
			return job("dockerd refuses the service's variable "+name, "mend the variable, or leave it out")
		}
	}
	for _, f := range others {
		if f.namedIn(said) {
			return notOfCommand(g, "dockerd refuses what ", " say: "+f.name)
		}
	}
	has := func(names ...string) bool {
		return slices.ContainsFunc(given, func(f setFlag) bool {
			return slices.Contains(names, f.name) && !plan.UsualDriver(f.value)
		})
	}
	switch {
	case storageFlag.MatchString(said) && has("--storage-driver", "-s", "--storage-opt"):
		return job("the docker daemon of this job cannot have the storage driver that the service's command wants", "leave --storage-driver and --storage-opt out of the service's command")
	case strings.HasPrefix(said, "failed to load listeners") && has("--host", "-H"):
		return job("the docker daemon of this job cannot listen where the service's command says", hintCommand)
	case overlaps.MatchString(said) && has("--bip", "--fixed-cidr", "--fixed-cidr-v6", "--default-address-pool", "--bridge", "-b"):
		return job("the docker daemon of this job cannot have the addresses that the service's command wants", "leave them out of the service's command: the runner chooses some that are free")
	case ofTLS.MatchString(said) && slices.ContainsFunc(given, func(f setFlag) bool { return strings.HasPrefix(f.name, "--tls") }):
		return job("the docker daemon of this job cannot have TLS as the service's command wants it", "leave --tls and its like out of the service's command: the runner gives the daemon its certificates")
	case configured.MatchString(said) && g.Runs() && len(others) == 0:
		return job("dockerd refuses what the service's command says", hintFlags)
	case configured.MatchString(said) && !g.Runs() && strings.Contains(said, "daemon.json"):
		return image("")
	}
	return nil
}

// lastWords is the line by which dockerd says why it ends. Lines of its log, of other programs,
// and of the usage printed behind do not count.
func lastWords(log string) string {
	last := ""
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "time="), strings.HasPrefix(line, "{"), strings.HasPrefix(line, "[rootlesskit:"),
			strings.HasPrefix(line, "See '"), strings.HasPrefix(line, "Run '"), strings.HasPrefix(line, ", Code:"):
		case strings.HasPrefix(line, "Usage:"):
			return last
		default:
			last = strings.TrimPrefix(line, "Status: ")
		}
	}
	return last
}

// settingsArguments are the arguments that the pipeline has not given.
func settingsArguments(g plan.Given, all []string) []string {
	if n := len(all) - len(g.Command); n >= 0 && slices.Equal(all[n:], g.Command) {
		return all[:n]
	}
	var rest []string
	for _, a := range all {
		if !slices.Contains(g.Command, a) && !slices.Contains(g.Entrypoint, a) {
			rest = append(rest, a)
		}
	}
	return rest
}

// loose tells whether a word of arguments is neither a flag nor a flag's value.
func loose(arguments []string) bool {
	for i, a := range arguments {
		first := i == 0 && strings.HasPrefix(path.Base(a), "dockerd")
		if !first && !strings.HasPrefix(a, "-") && (i == 0 || !strings.HasPrefix(arguments[i-1], "-") || strings.Contains(arguments[i-1], "=")) {
			return true
		}
	}
	return false
}
