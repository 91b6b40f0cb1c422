package pipeline

import (
	"context"
	"regexp"
	"slices"
	"strings"
)

// maxExists and maxChanges are numbers of comparisons. After so many, GitLab assumes a
// match.
const (
	maxExists  = 50_000
	maxChanges = 50_000
)

// maxPath bounds patterns, in bytes. No path is longer.
const maxPath = 4096

// anyMatches tells whether any path matches any pattern. Beyond most comparisons GitLab
// answers yes.
func anyMatches(ctx context.Context, globs, paths []string, most int) bool {
	comparisons := 0
	for _, g := range globs {
		if !strings.ContainsAny(g, "*?[{") {
			if slices.Contains(paths, g) {
				return true
			}
			continue
		}
		re := globPattern(g)
		for _, p := range paths {
			if ctx.Err() != nil {
				return false // the reading ends
			}
			if comparisons++; comparisons > most || re != nil && re.MatchString(p) {
				return true
			}
		}
	}
	return false
}

// globPattern translates a pattern of paths as Ruby's File.fnmatch reads patterns with
// FNM_PATHNAME, FNM_DOTMATCH and FNM_EXTGLOB. A star stays in its folder, **/ is any number
// of folders, braces hold alternatives. globPattern returns nil for a pattern without
// possible matches.
func globPattern(glob string) *regexp.Regexp {
	if len(glob) > maxPath {
		return nil
	}
	t := translation{rest: glob, start: true}
	t.out.WriteString(`(?s)^(?:`)
	t.until("")
	t.out.WriteString(`)$`)
	re, err := regexp.Compile(t.out.String())
	if err != nil {
		return nil
	}
	return re
}

// translation makes a regular expression of a pattern.
type translation struct {
	rest string
	out  strings.Builder
	// start tells whether the name of a folder or file begins here. braces counts the open
	// braces.
	start  bool
	braces int
}

// until translates up to one of the bytes of end, which stays, or to the pattern's end.
func (t *translation) until(end string) {
	for t.rest != "" && strings.IndexByte(end, t.rest[0]) < 0 {
		start := t.start
		t.start = false
		switch c := t.rest[0]; {
		case start && strings.HasPrefix(t.rest, "**/"):
			t.rest = strings.TrimLeft(t.rest[2:], "/")
			for strings.HasPrefix(t.rest, "**/") {
				t.rest = strings.TrimLeft(t.rest[2:], "/")
			}
			t.out.WriteString(`(?:[^/]+/)*`)
			t.start = true
			continue
		case c == '*':
			t.rest = strings.TrimLeft(t.rest, "*")
			t.out.WriteString(`[^/]*`)
			continue
		case c == '?':
			t.out.WriteString(`[^/]`)
		case c == '[' && t.class():
			continue
		case c == '{' && t.braces < maxDepth && strings.Contains(t.rest, "}"):
			t.alternatives(start)
			continue
		case c == '\\' && len(t.rest) > 1:
			t.rest = t.rest[1:]
			t.literal()
			continue
		default:
			t.start = c == '/'
			t.literal()
			continue
		}
		t.rest = t.rest[1:]
	}
}

// literal takes the next character as it is.
func (t *translation) literal() {
	for i := range t.rest {
		if i > 0 {
			t.out.WriteString(regexp.QuoteMeta(t.rest[:i]))
			t.rest = t.rest[i:]
			return
		}
	}
	t.out.WriteString(regexp.QuoteMeta(t.rest))
	t.rest = ""
}

// alternatives translates braces.
func (t *translation) alternatives(start bool) {
	t.braces++
	t.out.WriteString(`(?:`)
	for {
		t.rest = t.rest[1:]
		t.start = start
		t.until(",}")
		if !strings.HasPrefix(t.rest, ",") {
			break
		}
		t.out.WriteString(`|`)
	}
	t.out.WriteString(`)`)
	t.rest = strings.TrimPrefix(t.rest, "}")
	t.braces--
	t.start = false
}

// class translates a set of characters, if a set begins here. No set matches a slash.
func (t *translation) class() bool {
	end := strings.IndexByte(t.rest[1:], ']')
	if end < 1 {
		return false
	}
	set := t.rest[1 : end+1]
	negated := set[0] == '!' || set[0] == '^'
	if negated {
		set = set[1:]
	}
	if set == "" || strings.ContainsAny(set, `/\[`) {
		return false
	}
	t.rest = t.rest[end+2:]
	set = strings.NewReplacer(`^`, `\^`, `&`, `\&`, `~`, `\~`).Replace(set)
	if negated {
		t.out.WriteString(`[^/` + set + `]`)
	} else {
		t.out.WriteString(`[` + set + `]`)
	}
	return true
}
