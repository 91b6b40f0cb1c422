// Command settingsdoc prints docs/settings.md. Each setting has its type, from the Go types,
// and its default and explanation, from the commented default file.
package main

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"gitlab-dind-executor/config"
)

const introduction = `<!-- made by make docs from config/default.toml and the types of config/settings.go -->

# Settings

Settings are optional. They are in ` + "`" + config.DefaultPath + "`" + `, or where ` + "`--settings FILE`" + ` says. Every hook and command reads the same file. A change holds for the jobs that begin after it. Keep only what you change: what a file leaves out follows the defaults, those of the next release as well.

` + "```sh run" + `
gitlab-dind-executor settings --default >dind.toml   # all of this page, as a file
gitlab-dind-executor settings --check dind.toml      # every fault of a file at once, with its line
` + "```" + `

Unknown keys are faults, so that a misspelt one is noticed. A duration is written as ` + "`\"90s\"` or `\"1h30m\"`, a size as `\"512m\"` or `\"20g\"`" + `.
`

func main() {
	if err := write(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

var (
	tableLine = regexp.MustCompile(`^\[([a-z.]+)\]$`)
	keyLine   = regexp.MustCompile(`^([a-z0-9_]+) = (.*)$`)
	// exampleLine is TOML that is commented out.
	exampleLine = regexp.MustCompile(`^(?:\[.*\]|[a-z_.]+ = .*)$`)
)

// document is a page made line by line from the default file.
type document struct {
	out io.Writer
	// table is the table of the following keys.
	table   string
	comment []string
	// group are keys that share the comment before them.
	group []string
}

// pageName is a page beside docs/settings.md.
var pageName = regexp.MustCompile(`docs/([a-z-]+\.md)`)

// manyEmpty is more than one empty line.
var manyEmpty = regexp.MustCompile(`\n{3,}`)

func write(out io.Writer) error {
	var page strings.Builder
	d := &document{out: &page}
	fmt.Fprint(d.out, introduction, "\n")
	file := string(config.DefaultFile)
	begin := strings.Index(file, "\n[")
	// The introduction already has the file's own head, except its last paragraph.
	head := strings.Split(strings.TrimSpace(file[:begin]), "\n#\n")
	for _, line := range strings.Split(head[len(head)-1], "\n") {
		d.comment = append(d.comment, strings.TrimPrefix(line, "# "))
	}
	d.text()
	for _, line := range strings.Split(file[begin+1:], "\n") {
		if err := d.line(line); err != nil {
			return err
		}
	}
	text := pageName.ReplaceAllString(page.String(), "[$1]($1)")
	_, err := io.WriteString(out, strings.TrimSpace(manyEmpty.ReplaceAllString(text, "\n\n"))+"\n")
	return err
}

func (d *document) line(line string) error {
	switch {
	case strings.HasPrefix(line, "#"):
		d.endGroup()
		d.comment = append(d.comment, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	case tableLine.MatchString(line):
		d.endGroup()
		d.table = tableLine.FindStringSubmatch(line)[1]
		fmt.Fprintf(d.out, "\n## %s\n\n", d.table)
		d.text() // a comment before a table is about the table
	case keyLine.MatchString(line):
		m := keyLine.FindStringSubmatch(line)
		key := d.table + "." + m[1]
		t, err := typeOf(reflect.TypeFor[config.Settings](), strings.Split(key, "."))
		if err != nil {
			return err
		}
		d.group = append(d.group, fmt.Sprintf("- `%s`: %s, default `%s`\n", key, t, m[2]))
	case line == "":
		if len(d.group) == 0 {
			d.free()
		}
		d.endGroup()
	}
	return nil
}

// endGroup writes the keys so far and their comment.
func (d *document) endGroup() {
	if len(d.group) == 0 {
		return
	}
	fmt.Fprintln(d.out)
	for _, key := range d.group {
		fmt.Fprint(d.out, key)
	}
	d.group = nil
	if len(d.comment) > 0 {
		fmt.Fprintln(d.out)
	}
	d.text()
}

// free writes a comment without a key. Such a comment is about a whole table, or holds example
// tables.
func (d *document) free() {
	for _, line := range d.comment {
		switch {
		case strings.HasPrefix(line, `[registry.`):
			d.example("registry", reflect.TypeFor[config.Registry]())
			return
		case strings.HasPrefix(line, "[[service]]"):
			d.example("service", reflect.TypeFor[config.Service]())
			return
		case strings.HasPrefix(line, "[[policy]]"):
			d.example("policy", reflect.TypeFor[config.Policy]())
			return
		}
	}
	if len(d.comment) > 0 {
		d.text()
	}
}

// example writes tables that are commented out, with their possible keys.
func (d *document) example(title string, t reflect.Type) {
	fmt.Fprintf(d.out, "\n## %s\n\n", title)
	var said, code []string
	for _, line := range d.comment {
		if exampleLine.MatchString(line) || len(code) > 0 {
			code = append(code, line)
		} else {
			said = append(said, line)
		}
	}
	d.comment = said
	d.text()
	fmt.Fprintf(d.out, "\n```toml\n%s\n```\n\n", strings.Join(code, "\n"))
	d.keys(t, "")
}

func (d *document) keys(t reflect.Type, before string) {
	for _, f := range config.Fields(t) {
		name, inner := before+f.Tag.Get("toml"), f.Type
		if ours(inner) {
			d.keys(inner, name+".")
			continue
		}
		fmt.Fprintf(d.out, "- `%s`: %s\n", name, words(inner))
	}
}

// text writes the comment so far. Indented parts stay indented.
func (d *document) text() {
	var paragraph, list []string
	flush := func() {
		if len(paragraph) > 0 {
			fmt.Fprintln(d.out, strings.Join(paragraph, " "))
		}
		if len(list) > 0 {
			fmt.Fprintf(d.out, "\n```\n%s\n```\n", strings.Join(list, "\n"))
		}
		paragraph, list = nil, nil
	}
	for _, line := range d.comment {
		switch {
		case strings.HasPrefix(line, "  "):
			list = append(list, strings.TrimPrefix(line, "  "))
		case line == "":
			flush()
			fmt.Fprintln(d.out)
		default:
			if len(list) > 0 {
				flush()
				fmt.Fprintln(d.out)
			}
			paragraph = append(paragraph, line)
		}
	}
	flush()
	d.comment = nil
}

// ours tells our own tables from types such as netip.Prefix.
func ours(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Tag.Get("toml") != ""
}

// typeOf finds the type of a key.
func typeOf(t reflect.Type, path []string) (string, error) {
	if len(path) == 0 {
		return words(t), nil
	}
	if ours(t) {
		for _, f := range config.Fields(t) {
			if f.Tag.Get("toml") == path[0] {
				return typeOf(f.Type, path[1:])
			}
		}
	}
	return "", fmt.Errorf("the default file has %s, which no type has", strings.Join(path, "."))
}

// words names a type as it appears in a file.
func words(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.String() {
	case "config.Duration":
		return "duration"
	case "config.Size":
		return "size"
	case "netip.Prefix":
		return "address range"
	case "netip.Addr":
		return "address"
	}
	switch t.Kind() {
	case reflect.Map:
		return "table of " + many(t.Elem())
	case reflect.Slice:
		return "list of " + many(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "`true` or `false`"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	}
	return t.String()
}

// many are the words for several values of a type.
func many(t reflect.Type) string {
	return strings.NewReplacer("list of texts", "lists of texts", "address range", "address ranges", "address", "addresses", "text", "texts").Replace(words(t))
}
