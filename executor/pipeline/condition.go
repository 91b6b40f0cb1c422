package pipeline

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"

	"gitlab-dind-executor/pattern"
)

// verdict is the knowledge about a condition.
type verdict int

// The verdicts. maybe means: the truth is not known.
const (
	no verdict = iota
	maybe
	yes
)

func verdictOf(holds bool) verdict {
	if holds {
		return yes
	}
	return no
}

// errCondition marks a condition that GitLab refuses.
var errCondition = errors.New("the condition has no meaning")

// value is the value of a part of a condition.
type value struct {
	kind    valueKind
	text    string
	truth   bool
	pattern *regexp.Regexp
}

type valueKind int

const (
	isNull valueKind = iota
	isText
	isTruth
	isPattern
	isUnknown
)

func textOf(s string) value { return value{kind: isText, text: s} }
func truthOf(on bool) value { return value{kind: isTruth, truth: on} }
func (v value) unset() bool { return v.kind == isNull || v.kind == isTruth && !v.truth }
func (v value) holds() bool { return v.verdict() == yes }
func (v value) is(of value) bool {
	return v.kind == of.kind && v.text == of.text && v.truth == of.truth && v.pattern == of.pattern
}

// verdict judges the value of a whole condition. A text of nothing but space does not hold.
func (v value) verdict() verdict {
	switch v.kind {
	case isUnknown:
		return maybe
	case isText:
		return verdictOf(strings.TrimSpace(v.text) != "")
	case isTruth:
		return verdictOf(v.truth)
	case isPattern:
		return yes
	default:
		return no
	}
}

// judge judges the words of an expression as in rules:if. variable returns a variable's
// value. The error means: GitLab refuses the expression.
func judge(ctx context.Context, words []string, variable func(string) value) (verdict, error) {
	c := &conditions{ctx: ctx, words: words, variable: variable}
	v, err := c.or()
	if err != nil || len(c.words) > 0 {
		return no, errCondition
	}
	return v.verdict(), nil
}

// lexemes are the words of a condition, in GitLab's order of attempts.
var lexemes = pattern.New(`^(?:\s+|([()]|\$\w+|"[^"\n]*"|'[^'\n]*'|/(?:[^/]|\\/)+[^\\]/[ismU]*|null|true\b|false\b|==|=~|!=|!~|&&|\|\|))`)

// maxWords is GitLab's bound on the words of a condition.
const maxWords = 99

func lex(text string) (words []string, err error) {
	for text != "" {
		m := lexemes.FindStringSubmatch(text)
		if m == nil {
			return nil, errCondition
		}
		if m[1] != "" {
			words = append(words, m[1])
		}
		if len(words) > maxWords {
			return nil, errCondition
		}
		text = text[len(m[0]):]
	}
	return words, nil
}

// conditions reads an expression from its first word on.
type conditions struct {
	ctx      context.Context
	words    []string
	variable func(string) value
}

func (c *conditions) next(word string) bool {
	if len(c.words) > 0 && c.words[0] == word {
		c.words = c.words[1:]
		return true
	}
	return false
}

func (c *conditions) or() (value, error) {
	left, err := c.and()
	for err == nil && c.next("||") {
		var right value
		right, err = c.and()
		switch {
		case left.kind == isUnknown && right.holds():
			left = right
		case left.unset():
			left = right
		}
	}
	return left, err
}

func (c *conditions) and() (value, error) {
	left, err := c.comparison()
	for err == nil && c.next("&&") {
		var right value
		right, err = c.comparison()
		switch {
		case left.kind == isUnknown && right.unset():
			left = right
		case left.kind != isUnknown && !left.unset(): // an empty text counts as set
			left = right
		}
	}
	return left, err
}

func (c *conditions) comparison() (value, error) {
	left, err := c.operand()
	for err == nil && len(c.words) > 0 {
		op := c.words[0]
		if op != "==" && op != "!=" && op != "=~" && op != "!~" {
			break
		}
		c.words = c.words[1:]
		var right value
		if right, err = c.operand(); err != nil {
			return value{}, err
		}
		alike := left.is(right)
		if op[1] == '~' {
			if alike, err = c.matches(left, right); err != nil {
				return value{}, err
			}
		}
		if left.kind == isUnknown || right.kind == isUnknown {
			left = value{kind: isUnknown}
		} else {
			left = truthOf(alike == (op[0] == '='))
		}
	}
	return left, err
}

// operand reads a variable's value, a text, a pattern with its slashes, a constant or an
// expression in parentheses.
func (c *conditions) operand() (value, error) {
	if len(c.words) == 0 {
		return value{}, errCondition
	}
	w := c.words[0]
	c.words = c.words[1:]
	switch {
	case w == "(":
		v, err := c.or()
		if err == nil && !c.next(")") {
			err = errCondition
		}
		return v, err
	case w == "null":
		return value{}, nil
	case w == "true" || w == "false":
		return truthOf(w == "true"), nil
	case w[0] == '$':
		return c.variable(w[1:]), nil
	case w[0] == '"' || w[0] == '\'':
		return textOf(w[1 : len(w)-1]), nil
	case w[0] == '/':
		re, err := rubyPattern(strings.ReplaceAll(w, `\/`, "/"))
		if re == nil || err != nil {
			return value{}, errCondition
		}
		return value{kind: isPattern, pattern: re}, nil
	}
	return value{}, errCondition
}

// slashed is a pattern with its slashes and flags.
var slashed = pattern.New(`^/(.*)/([ismU]*)$`)

// rubyPattern returns the expression of a pattern such as /^v1/i, or nil for a text of
// another form.
func rubyPattern(text string) (*regexp.Regexp, error) {
	m := slashed.FindStringSubmatch(text)
	if m == nil {
		return nil, nil
	}
	if m[2] != "" {
		m[1] = "(?" + m[2] + ")" + m[1]
	}
	return regexp.Compile(m[1])
}

// matches tells whether a text matches a pattern, which may come from a variable. Without a
// pattern nothing matches. If the pattern is only a text, it matches when it contains the
// other text, as in GitLab.
func (c *conditions) matches(text, pattern value) (bool, error) {
	switch pattern.kind {
	case isNull, isUnknown:
		return false, nil
	case isPattern:
		return found(c.ctx, pattern.pattern, text.text), nil
	case isText:
		re, err := rubyPattern(strings.ReplaceAll(pattern.text, `\/`, "/"))
		if re != nil && err == nil {
			return found(c.ctx, re, text.text), nil
		}
		return strings.Contains(pattern.text, text.text), nil
	}
	return false, errCondition
}

// found looks for an expression in a text. Both come from strangers, and the search takes
// as long as both are. The search ends with ctx, and its result then does not count.
func found(ctx context.Context, re *regexp.Regexp, text string) bool {
	return re.MatchReader(runes{ctx, strings.NewReader(text)})
}

// runes are the runes of a text until a context ends.
type runes struct {
	ctx context.Context
	*strings.Reader
}

// ReadRune reads the next rune.
func (r runes) ReadRune() (rune, int, error) {
	if r.ctx.Err() != nil {
		return 0, 0, io.EOF
	}
	return r.Reader.ReadRune()
}
