package pipeline

import (
	"bytes"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/pattern"
)

var (
	syntaxAt = pattern.New(`^yaml: (?:line (\d+): )?(.*)`)
	noAnchor = pattern.New(`^unknown anchor '(.*)' referenced$`)
)

// syntaxError returns the parser's error on one line.
func syntaxError(file string, text []byte, err error) error {
	line, said := 1, err.Error()
	if m := syntaxAt.FindStringSubmatch(said); m != nil {
		said = m[2]
		if n, err := strconv.Atoi(m[1]); err == nil {
			line = n
		}
	}
	if m := noAnchor.FindStringSubmatch(said); m != nil {
		at := max(0, bytes.Index(text, []byte("*"+m[1])))
		return faultAt(file, 1+bytes.Count(text[:at], []byte("\n")),
			"an anchor stands before its aliases, in the same file: &"+m[1], "there is no anchor %q", m[1])
	}
	line = brokenAt(text, line)
	hint := "look at this line and the one before: indentation, quotes, a missing colon or dash"
	if strings.Contains(said, "tab") || strings.Contains(said, "cannot start any token") && bytes.Contains(lineOf(text, line), []byte("\t")) {
		hint = "YAML is indented by spaces, not by tabs"
	}
	return faultAt(file, line, hint, "invalid YAML: %s", said)
}

// maxSearch bounds the text parsed in search of a fault, in bytes.
const maxSearch = 16 << 20

// brokenAt returns the line of the fault. libyaml reports only the beginning of the broken
// part: told. If the search takes too long, brokenAt returns told.
func brokenAt(text []byte, told int) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	end, spent := len(text), 0
	for n := len(lines); n > 0; n-- {
		end -= len(lines[n-1])
		if spent += end; spent > maxSearch {
			break
		}
		var d yaml.Node
		if err := yaml.Unmarshal(text[:end], &d); err == nil {
			return n
		}
	}
	return told
}

// lineOf returns a line of a text, counted from 1.
func lineOf(text []byte, number int) []byte {
	lines := bytes.SplitN(text, []byte("\n"), number+1)
	if number < 1 || number > len(lines) {
		return nil
	}
	return lines[number-1]
}

// tooDeep finds the line where brackets or dashes are nested so deeply that the parser would
// need too much memory.
func tooDeep(text []byte) (line int) {
	const most = 1000
	open, run := 0, 0
	line = 1
	for _, b := range text {
		switch b {
		case '\n':
			line++
			run = 0
		case '[', '{':
			open++
		case ']', '}':
			open = max(0, open-1)
		case '-', '?', ':', '&', '*', '!':
			run++
		case ' ', '\t', '\r':
		default:
			run = 0
		}
		if open > most || run > most {
			return line
		}
	}
	return 0
}
