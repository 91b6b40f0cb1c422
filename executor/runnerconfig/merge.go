package runnerconfig

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

// A config.toml is edited as text, so comments, order and unknown keys stay as they are.
// The result is read again and compared with the original. An edit that changed too much is
// refused.

// Merge puts a section into the text of a config.toml. The section goes to the end, or its
// hooks replace those of an existing section with its name that calls this program. there
// tells of an existing section.
func Merge(name string, src []byte, n New) (merged []byte, there bool, err error) {
	f, err := Parse(name, src)
	if err != nil {
		return nil, false, err
	}
	text, lines := string(src), "\n"
	if strings.Contains(text, "\r\n") {
		text, lines = strings.ReplaceAll(text, "\r\n", "\n"), "\r\n"
	}
	i := slices.IndexFunc(f.Runners, func(s Section) bool { return s.Name == n.Name })
	switch {
	case i < 0:
		text, err = appended(text, n)
	case !f.Runners[i].calls(n.Exec):
		return nil, false, fault.System(fmt.Errorf("%s has a runner %q of another kind", name, n.Name), "choose another --name")
	default:
		there = true
		text, err = updated(text, i, f.Runners[i], n)
	}
	text = strings.ReplaceAll(text, "\n", lines)
	if err == nil {
		err = unharmed(string(src), text, i, n)
	}
	if err != nil {
		return nil, there, fault.System(fmt.Errorf("%s cannot be edited without a change to something else: %w", name, err),
			"put the section in by hand: gitlab-dind-executor register prints it")
	}
	return []byte(text), there, nil
}

// calls tells whether a section calls the program.
func (s Section) calls(program string) bool {
	return s.Executor == "custom" && slices.ContainsFunc(s.Custom.Hooks(), func(h Hook) bool {
		return h.Exec == program || strings.HasPrefix(filepath.Base(h.Exec), Program)
	})
}

func appended(text string, n New) (string, error) {
	section, err := n.Text()
	if err != nil {
		return "", err
	}
	if text != "" {
		text = strings.TrimRight(text, "\n") + "\n\n"
	}
	return text + section, nil
}

var (
	header       = pattern.New(`^\s*\[`)
	runnerHeader = pattern.New(`^\s*\[\[\s*runners\s*\]\]\s*(#.*)?$`)
	customHeader = pattern.New(`^\s*\[\s*runners\s*\.\s*custom\s*\]\s*(#.*)?$`)
	partHeader   = pattern.New(`^\s*\[\[?\s*runners\s*\.`)
)

// updated sets the hooks of runner number i.
func updated(text string, i int, s Section, n New) (string, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	from, to := span(lines, i)
	if from < 0 {
		return "", errors.New("its [[runners]] are not found")
	}
	at := from + slices.IndexFunc(lines[from:to], customHeader.MatchString)
	if at < from {
		return "", errors.New("it has no [runners.custom] in lines of its own")
	}
	end := at + 1
	for end < to && !header.MatchString(lines[end]) {
		end++
	}
	body := slices.Clone(lines[at+1 : end])
	for _, e := range n.entries() {
		if keeps(e, s.Custom, n) {
			continue
		}
		body = set(body, e)
	}
	return strings.Join(slices.Concat(lines[:at+1], body, lines[end:]), "\n") + "\n", nil
}

// keeps tells whether the existing value already serves: the same hook, or a timeout that
// fits.
func keeps(e entry, c Custom, n New) bool {
	for _, h := range c.Hooks() {
		if e.key == h.Name+"_exec" && e.value == h.Exec {
			return true
		}
		if args, ok := e.value.([]string); ok && e.key == h.Name+"_args" && slices.Equal(args, h.Args) {
			return true
		}
	}
	has := map[string]int{
		"config_exec_timeout": c.ConfigExecTimeout, "prepare_exec_timeout": c.PrepareExecTimeout,
		"cleanup_exec_timeout": c.CleanupExecTimeout, "graceful_kill_timeout": c.GracefulKillTimeout,
	}
	switch e.key {
	case "force_kill_timeout":
		return true
	case "config_exec_timeout", "prepare_exec_timeout", "cleanup_exec_timeout", "graceful_kill_timeout":
		judged := Section{Custom: c}.judgeTimes("", n.Needs)
		return has[e.key] > 0 && !slices.ContainsFunc(judged, func(r Remark) bool { return strings.Contains(r.Text, ": "+e.key+" ") })
	}
	return false
}

// span returns the first line of runner number i, and the line behind its last.
func span(lines []string, i int) (from, to int) {
	from, to = -1, len(lines)
	for at, line := range lines {
		if !header.MatchString(line) {
			continue
		}
		switch {
		case runnerHeader.MatchString(line):
			if i == 0 {
				from = at
			} else if from >= 0 {
				return from, at
			}
			i--
		case from >= 0 && !partHeader.MatchString(line):
			return from, at
		}
	}
	return from, to
}

// quoted matches a string on one line.
const quoted = `"(?:[^"\\]|\\.)*"|'[^']*'`

// simpleValue matches a key and a value on one line, with the text around the value.
var simpleValue = pattern.New(`^(\s*[A-Za-z_]+\s*=\s*)(?:` + quoted + `|[0-9_]+|\[(?:[^]"'#]|` + quoted + `)*\])(\s*(?:#.*)?)$`)

// set replaces a key's value, or appends the key.
func set(body []string, e entry) []string {
	for i, line := range body {
		key, _, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(key) != e.key {
			continue
		}
		n := extent(body[i:])
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		now := indent + e.key + " = " + value(e.value)
		if m := simpleValue.FindStringSubmatch(line); n == 1 && m != nil {
			now = m[1] + value(e.value) + m[2]
		}
		return slices.Concat(body[:i], []string{now}, body[i+n:])
	}
	// Blank lines and comments at the end belong to the next section, so the key goes
	// before them.
	at, indent := len(body), "    "
	for at > 0 && (strings.TrimSpace(body[at-1]) == "" || strings.HasPrefix(strings.TrimSpace(body[at-1]), "#")) {
		at--
	}
	return slices.Concat(body[:at], []string{indent + e.key + " = " + value(e.value)}, body[at:])
}

// extent is the number of lines of a key's value.
func extent(lines []string) int {
	for n := 1; n <= len(lines); n++ {
		var table map[string]any
		if _, err := toml.Decode(strings.Join(lines[:n], "\n"), &table); err == nil {
			return n
		}
	}
	return 1
}

// unharmed compares the meaning of two texts, apart from the intended change. This is the
// hooks of runner number i or, for -1, a further runner.
func unharmed(before, after string, i int, n New) error {
	var a, b map[string]any
	if _, err := toml.Decode(before, &a); err != nil {
		return err
	}
	if _, err := toml.Decode(after, &b); err != nil {
		return err
	}
	runners, _ := b["runners"].([]map[string]any)
	if i < 0 {
		if len(runners) == 0 {
			return errors.New("the section is not where it belongs")
		}
		b["runners"] = runners[:len(runners)-1]
		if a["runners"] == nil {
			delete(b, "runners")
		}
	} else {
		old, _ := a["runners"].([]map[string]any)
		for _, list := range [][]map[string]any{old, runners} {
			if i < len(list) {
				if custom, ok := list[i]["custom"].(map[string]any); ok {
					for _, e := range n.entries() {
						delete(custom, e.key)
					}
				}
			}
		}
	}
	if !reflect.DeepEqual(a, b) {
		return errors.New("it would mean something else afterwards")
	}
	return nil
}
