package config

import (
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/pattern"
)

// The TOML library gives positions for syntax errors only, so these expressions find the
// lines of keys. They are good enough for messages, and decoding never uses them.
var (
	tableLine = pattern.New(`^\s*\[\[?\s*(.+?)\s*\]\]?\s*(#.*)?$`)
	keyLine   = pattern.New(`^\s*(` + part + `(?:\s*\.\s*` + part + `)*)\s*=`)
	bareKey   = pattern.New(`^[A-Za-z0-9_-]+$`)
	keyPart   = pattern.New(part)
)

// part is one part of a dotted key.
const part = `(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)`

// keyLines maps the dotted name of each table and key to its line, from 1.
func keyLines(src []byte) map[string]int {
	lines := map[string]int{}
	arrays := map[string]int{}
	var table []string
	for i, line := range strings.Split(string(src), "\n") {
		if m := tableLine.FindStringSubmatch(line); m != nil {
			table = splitKey(m[1])
			if key := dotted(table); strings.HasPrefix(strings.TrimSpace(line), "[[") {
				note(lines, key, i+1)
				arrays[key]++ // tables of an array count from 1
				table = append(table, strconv.Itoa(arrays[key]))
			} else if n := arrays[table[0]]; n > 0 {
				table = slices.Insert(table, 1, strconv.Itoa(n))
			}
			note(lines, dotted(table), i+1)
			continue
		}
		if m := keyLine.FindStringSubmatch(line); m != nil {
			note(lines, dotted(append(slices.Clone(table), splitKey(m[1])...)), i+1)
		}
	}
	return lines
}

// lineOf returns the line of a key. For a missing key, or a key in an inline table, lineOf
// returns the line of the surrounding table. 0 means unknown.
func lineOf(lines map[string]int, key string) int {
	for path := splitKey(key); len(path) > 0; path = path[:len(path)-1] {
		if line := lines[dotted(path)]; line > 0 {
			return line
		}
	}
	return 0
}

func note(lines map[string]int, key string, line int) {
	if _, ok := lines[key]; !ok {
		lines[key] = line
	}
}

func splitKey(s string) []string {
	var parts []string
	for _, p := range keyPart.Regexp().FindAllString(s, -1) {
		parts = append(parts, unquote(p))
	}
	return parts
}

func unquote(s string) string { return strings.Trim(s, `"'`) }

// dotted writes a key as TOML does, with quotes around the parts in need of them.
func dotted(path []string) string {
	var b strings.Builder
	for i, p := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		if bareKey.MatchString(p) {
			b.WriteString(p)
		} else {
			b.WriteString(`"` + p + `"`)
		}
	}
	return b.String()
}
