package diagnosis

import (
	"regexp"
	"slices"
	"strings"
)

// output is what a command that failed said, as the rows look at it.
type output struct {
	// last is the line by which the command ended: not what docker, make or the
	// script print behind an error, and none of another program.
	last string
	// step is the last line of a build's step, where that is what last is about.
	step string
}

var (
	// command is where the Runner's script shows the next command.
	command = regexp.MustCompile(`\x1b\[32;1m\$ ([^\n]*)`)
	// section stands around a group of commands.
	section = regexp.MustCompile(`section_(?:start|end):[0-9]+:[^\r\n]*\r`)
	// sequences colour text or move the cursor.
	sequences = regexp.MustCompile(`\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\a\x1b\n]*(?:\a|\x1b\\)`)
	// windowsEnd is a line end of Windows that a program took for a part of a word,
	// and quoted. Any other return begins a line of progress anew.
	windowsEnd = regexp.MustCompile(`\r(:|')`)
	// timestamp is what the Runner and docker put before a line.
	timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)(?: \d\d[OE]\+?)? ?`)
)

// trailers is what follows an error without another command having failed.
var trailers = regexp.MustCompile(strings.Join([]string{
	// docker's own
	`^See '.* --help'\.?$`, `^Run '.* --help' for more information$`, `^View build details: `,
	`^errors pretty printing info$`, `^Removing login credentials for `, `^\* Are you trying to connect to a TLS-enabled daemon`,
	// docker's progress, which goes another way than its errors and may come later
	`^Using default tag: `, `^[^ ]+: Pulling from [^ ]+$`, `^The push refers to repository \[`,
	`^[0-9a-f]{12}: (?:Preparing|Waiting|Pushing|Pulling fs layer|Retrying in .*|Layer already exists)$`,
	`^Sending build context to Docker daemon `, `^Step \d+/\d+ : `,
	// what ran docker
	`^make(?:\[\d+\])?: (?:\*\*\* |Leaving directory )`, `^exit status \d+$`, `^ERROR: Job failed: exit code \d+$`,
	`^task: Failed to run task `, "^error: Recipe `[^`]+` failed ",
	// what a script that shows its commands does behind a failure
	`^\++ (?:exit|return)(?: \d+)?$`, `^\++ echo `,
}, "|"))

// ownWords is a script's word about what failed: it names it, and no program.
var (
	ownWords     = regexp.MustCompile(`(?i)\b(?:fail(?:ed|ure)?|error|could not|couldn't|cannot|can't|unable|abort(?:ed|ing)?)\b`)
	dockersNouns = regexp.MustCompile(`(?i)\b(?:docker|images?|container|push(?:ed|ing)?|pull(?:ed|ing)?|registry|log ?in|compose|build(?:ing)?)\b`)
	program      = regexp.MustCompile(`^\[?[A-Za-z0-9_./-]+\]?: |^(?:ERROR|FATAL|Error|Fatal)\b`)
)

// maxOwnWords is how many lines a script says about a failure, at most.
const maxOwnWords = 2

// read finds out what the command that failed said last.
func read(text string) output {
	lines := lastCommand(text)
	own := 0
	for len(lines) > 0 {
		line := lines[len(lines)-1]
		rest := lines[:len(lines)-1]
		switch {
		case trailers.MatchString(line):
		case own < maxOwnWords && len(rest) > 0 && ownWords.MatchString(line) && dockersNouns.MatchString(line) && !program.MatchString(line):
			own++
		default:
			return output{last: line, step: stepOf(line, rest)}
		}
		lines = rest
	}
	return output{}
}

// lastCommand are the lines that the last command of a script printed, clean and
// without the empty ones.
func lastCommand(text string) []string {
	shown := command.FindAllStringSubmatchIndex(text, -1)
	if len(shown) == 0 {
		return clean(text)
	}
	last := shown[len(shown)-1]
	if lines := clean(text[last[1]:]); len(lines) > 0 {
		return lines
	}
	// A shell's error may overtake the command, which goes another way.
	if strings.Contains(text[last[2]:last[3]], "docker") {
		return clean(text[:last[0]])
	}
	return nil
}

func clean(text string) []string {
	var lines []string
	for line := range strings.Lines(section.ReplaceAllString(text, "")) {
		line = sequences.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		line = windowsEnd.ReplaceAllString(strings.TrimRight(line, "\r"), "^M$1")
		line = line[strings.LastIndexByte(line, '\r')+1:]
		line = strings.TrimRight(timestamp.ReplaceAllString(line, ""), " \t")
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

var (
	// stepFailed is how builders end when a command of a Dockerfile has failed.
	stepFailed = regexp.MustCompile(`^(?:` + buildSays + `(?:process "|executor failed running \[)|The command '.*' returned a non-zero code: \d+$)`)
	// stepTime is before each line of a step.
	stepTime = regexp.MustCompile(`^(?:#\d+ )?\d+\.\d+ `)
)

// stepOf is the last line that a failed step of a build printed: BuildKit repeats
// it between two lines of dashes, the classic builder's is right before the error.
func stepOf(last string, before []string) string {
	if !stepFailed.MatchString(last) || len(before) == 0 {
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
	if !stepTime.MatchString(line) {
		return ""
	}
	return stepTime.ReplaceAllString(line, "")
}

func lastIndex(lines []string, line string) int {
	for i, l := range slices.Backward(lines) {
		if l == line {
			return i
		}
	}
	return -1
}
