package pipeline

import (
	"fmt"
	"strings"
	"testing"
)

func TestPatternsOfPaths(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"*", "a", true},
		{"*", "a/b", false},
		{"*", ".a", true},
		{"a*", "ab", true},
		{"?", "a", true},
		{"?", "/", false},
		{"?", "é", true},
		{"**/a", "a", true},
		{"**/a", "x/y/a", true},
		{"**/a", "x/ya", false},
		{"x/**/a", "x/a", true},
		{"x/**/a", "x/y/z/a", true},
		{"**/.h/*", "a/.h/b", true},
		{"**", "a", true},
		{"**", "a/b", false},
		{"x/**", "x/a", true},
		{"x/**", "x/a/b", false},
		{"x**/a", "xy/a", true},
		{"x**/a", "xy/z/a", false},
		{"**/*", "a", true},
		{"**/*", "a/b/c", true},
		{"a/**/**/b", "a/b", true},
		{"{a,b}", "b", true},
		{"{a,b}", "c", false},
		{"a.{js,ts{,x}}", "a.tsx", true},
		{"a.{js,ts{,x}}", "a.ts", true},
		{"{**/,}a", "x/a", true},
		{"{a", "{a", true},
		{"[ab]", "b", true},
		{"[!ab]", "c", true},
		{"[^ab]", "a", false},
		{"[a-c]", "b", true},
		{"[!a]", "/", false},
		{"[", "[", true},
		{"a[]b", "a[]b", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{"a+(b)", "a+(b)", true},
		{"a.b", "axb", false},
		{"*.md", "README.md", true},
		{"", "a", false},
	} {
		if got := globPattern(c.glob); got == nil || got.MatchString(c.path) != c.want {
			t.Errorf("%q matches %q: %v, want %v (%v)", c.glob, c.path, !c.want, c.want, got)
		}
	}
	if globPattern(strings.Repeat("*a", 4096)) != nil {
		t.Error("a pattern is longer than any path")
	}
	many := make([]string, maxExists+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	if anyMatches(t.Context(), []string{"*x"}, many[:maxExists], maxExists) || !anyMatches(t.Context(), []string{"*x"}, many, maxExists) {
		t.Error("beyond the bound GitLab takes a pattern to match")
	}
}
