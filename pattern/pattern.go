// Package pattern compiles regular expressions when they are first used. Each hook is a
// process of its own, and a process needs few of the program's expressions.
package pattern

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression in the syntax of package regexp. Its methods are those of
// [regexp.Regexp]. They panic if the expression is wrong.
type Pattern struct {
	text    string
	compile func() *regexp.Regexp
}

// all are the patterns of the program.
var all []*Pattern

// New returns a pattern for a variable of a package.
func New(text string) *Pattern {
	p := &Pattern{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
	all = append(all, p)
	return p
}

// Wrong returns the errors of all patterns, for a test.
func Wrong() []error {
	var errs []error
	for _, p := range all {
		if _, err := regexp.Compile(p.text); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Regexp returns the compiled expression.
func (p *Pattern) Regexp() *regexp.Regexp { return p.compile() }

func (p *Pattern) String() string                 { return p.text }
func (p *Pattern) MatchString(s string) bool      { return p.compile().MatchString(s) }
func (p *Pattern) FindString(s string) string     { return p.compile().FindString(s) }
func (p *Pattern) FindStringIndex(s string) []int { return p.compile().FindStringIndex(s) }
func (p *Pattern) FindStringSubmatch(s string) []string {
	return p.compile().FindStringSubmatch(s)
}

func (p *Pattern) ReplaceAllString(s, with string) string {
	return p.compile().ReplaceAllString(s, with)
}
