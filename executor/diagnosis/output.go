package diagnosis

import (
	"slices"
	"strings"
)

// output is the last output of a failed command, in the form for the rows.
type output struct {
	// last is the line by which the command ended. Lines that docker, make or the script
	// print behind an error do not count, nor do lines of another program.
	last string
	// logsIn tells whether the command is a login, as shown by the Runner's script.
	logsIn bool
	// ofStep tells whether last is about a failed step of a build. step is the step's last
	// line, if known.
	ofStep bool
	step   string
}

var (
	// command is the mark before a command in the Runner's script.
	command = lazily(`\x1b\[32;1m\$ ([^\n]*)`)
	// section stands around a group of commands.
	section = lazily(`section_(?:start|end):[0-9]+:[^\r\n]*\r`)
	// sequences colour text or move the cursor.
	sequences = lazily(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\a\x1b\n]*(?:\a|\x1b\\)`)
	// windowsEnd is a line end of Windows that a program took for a part of a word, and
	// quoted. Any other return begins a line of progress anew.
	windowsEnd = lazily(`\r(:|')`)
	// timestamp stands before a line, by the Runner or by docker.
	timestamp = lazily(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?: \d\d[OE]\+?)? ?`)
)

// trailers are lines that follow an error without another command's failure.
var trailers = anyOf(
	// docker's own
	`See '.* --help'\.?$`, `Run '.* --help' for more information$`, `View build details: `,
	`errors pretty printing info$`, `Removing login credentials for `,
	` (?:Container|Network|Volume) [^ ]+ +(?:Stopping|Stopped|Removing|Removed)$`, `Service '[^']+' failed to build : Build failed$`,
	`Usage:  docker `, `/usr/bin/env: use -\[v\]S to pass options in shebang lines$`,
	// docker's progress, which goes another way than its errors; where a script or an
	// ENTRYPOINT keeps those ways apart, it may come later
	`Using default tag: `, `[^ ]+: Pulling from [^ ]+$`, `The push refers to repository \[`,
	`[0-9a-f]{12}: (?:Preparing|Waiting|Pushing|Pulling fs layer|Retrying in .*|Layer already exists)$`,
	`Sending build context to Docker daemon `, `Step \d+/\d+ : `,
	// programs that ran docker
	`make(?:\[\d+\])?: (?:\*\*\* |Leaving directory )`, `exit status \d+$`, `ERROR: Job failed: exit code \d+$`,
	`task: Failed to run task `, "error: Recipe `[^`]+` failed ",
	// a script that shows its commands, behind a failure
	`\++ (?:exit|return)(?: \d+)?$`, `\++ echo `,
)

// ownWords are a script's own words about a failure: they name the failed thing, and no
// program.
var (
	ownWords     = lazily(`(?i)\b(?:fail(?:ed|ure)?|error|could not|couldn't|cannot|can't|unable|abort(?:ed|ing)?)\b`)
	dockersNouns = lazily(`(?i)\b(?:docker|images?|container|push(?:ed|ing)?|pull(?:ed|ing)?|registry|log ?in|compose|build(?:ing)?)\b`)
	program      = lazily(`^\[?[A-Za-z0-9_./-]+\]?: |^(?:ERROR|FATAL|Error|Fatal)\b`)
)

// maxOwnWords bounds a script's own lines about a failure.
const maxOwnWords = 2

// read finds the last words of the failed command. Where these are the script's own, the
// output before them comes next.
func read(text string) []output {
	lines, shown := lastCommand(text)
	lines = withoutHelp(lines)
	login := logsIn().MatchString(shown)
	var said []output
	help := ""
	for len(lines) > 0 {
		line := lines[len(lines)-1]
		rest := lines[:len(lines)-1]
		if m := helps().FindStringSubmatch(line); m != nil {
			help = m[1]
		}
		if !trailers().MatchString(line) {
			one := output{last: joined(line, rest, help), logsIn: login, ofStep: stepFailed().MatchString(line)}
			if one.ofStep {
				one.step = stepOf(line, rest)
			}
			said = append(said, one)
			own := ownWords().MatchString(line) && dockersNouns().MatchString(line) && !program().MatchString(line)
			if !own || len(said) > maxOwnWords {
				return said
			}
		}
		lines = rest
	}
	return said
}

// lastCommand returns the last command of a script and its output lines, clean and without
// empty lines.
func lastCommand(text string) (lines []string, shown string) {
	all := command().FindAllStringSubmatchIndex(text, -1)
	if len(all) == 0 {
		return clean(text), ""
	}
	last := all[len(all)-1]
	shown = sequences().ReplaceAllString(text[last[2]:last[3]], "")
	return clean(text[last[1]:]), shown
}

// withoutHelp takes out docker's help, which follows an unknown command.
func withoutHelp(lines []string) []string {
	if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1], "To get more help with docker, check out ") {
		for i, line := range slices.Backward(lines) {
			if strings.HasPrefix(line, "Usage:  docker ") {
				return lines[:i]
			}
		}
	}
	return lines
}

// severalErrors begins podman's list of a registry's errors. ofSeveral is an error in the
// list.
var (
	severalErrors = lazily(`^Error: .*: errors:$`)
	ofSeveral     = lazily(`^(?:unauthorized|denied|name unknown|manifest unknown|error parsing HTTP)\b`)
)

// helps is docker's offer of a command's help.
var helps = lazily(`^(?:See|Run) '(.*) --help'`)

// joined puts an error of several lines on one line. help is the command whose help docker
// offers behind the error.
func joined(last string, before []string, help string) string {
	if help != "" && strings.HasPrefix(last, "unknown ") {
		return last + " in " + help
	}
	lines := append(slices.Clone(before), last)
	for i := len(lines) - 1; i > 0 && ofSeveral().MatchString(lines[i]); i-- {
		if severalErrors().MatchString(lines[i-1]) {
			return strings.Join(lines[i-1:], " ")
		}
	}
	return last
}

func clean(text string) []string {
	var lines []string
	for line := range strings.Lines(section().ReplaceAllString(text, "")) {
		line = sequences().ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		line = windowsEnd().ReplaceAllString(strings.TrimRight(line, "\r"), "^M$1")
		line = line[strings.LastIndexByte(line, '\r')+1:]
		line = strings.TrimRight(timestamp().ReplaceAllString(line, ""), " \t")
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

var (
	// stepFailed is a builder's last line after a failed command of a Dockerfile.
	stepFailed = lazily(`^(?:` + buildSays + `process "|(?:` + buildSays + `)?executor failed running \[|The command '.*' returned a non-zero code: \d+$)`)
	// stepTime stands before each line of a step.
	stepTime = lazily(`^(?:#\d+ )?\d+\.\d+ `)
)

// stepOf returns the last line of a failed step of a build. BuildKit repeats the line
// between two lines of dashes; the classic builder prints the line right before the error.
func stepOf(last string, before []string) string {
	if len(before) == 0 {
		return ""
	}
	if strings.HasPrefix(last, "The command ") {
		return before[len(before)-1]
	}
	end := lastIndex(before, "------")
	if end < 1 {
		return ""
	}
	line := before[end-1]
	if !stepTime().MatchString(line) {
		return ""
	}
	return stepTime().ReplaceAllString(line, "")
}

func lastIndex(lines []string, line string) int {
	for i, l := range slices.Backward(lines) {
		if l == line {
			return i
		}
	}
	return -1
}
