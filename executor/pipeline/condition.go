package pipeline

import (
	"errors"
	"regexp"
	"strings"
)

var errCondition = errors.New("the condition is not understood")

// value is what one side of a comparison is; one that is not there is null.
type value struct {
	text  string
	there bool
}

func (v value) truth() bool { return v.there && v.text != "" }

// condition judges an expression of rules:if.
func condition(text string, vars map[string]string) (bool, error) {
	words, err := lex(text)
	if err != nil {
		return false, err
	}
	c := &conditions{words: words, vars: vars}
	v, err := c.or()
	if err != nil || len(c.words) > 0 || len(words) == 0 {
		return false, errCondition
	}
	return v, nil
}

var lexemes = regexp.MustCompile(`^(?:\s+|(==|!=|=~|!~|&&|\|\||\(|\)|\$\w+|"[^"]*"|'[^']*'|/(?:[^/\\]|\\.)+/[a-z]*|null\b))`)

func lex(text string) (words []string, err error) {
	for text != "" {
		m := lexemes.FindStringSubmatch(text)
		if m == nil {
			return nil, errCondition
		}
		if m[1] != "" {
			words = append(words, m[1])
		}
		text = text[len(m[0]):]
	}
	return words, nil
}

// conditions reads an expression from its first word on.
type conditions struct {
	words []string
	vars  map[string]string
	depth int
}

func (c *conditions) next(word string) bool {
	if len(c.words) > 0 && c.words[0] == word {
		c.words = c.words[1:]
		return true
	}
	return false
}

func (c *conditions) or() (bool, error) {
	left, err := c.and()
	for err == nil && c.next("||") {
		var right bool
		right, err = c.and()
		left = left || right
	}
	return left, err
}

func (c *conditions) and() (bool, error) {
	left, err := c.comparison()
	for err == nil && c.next("&&") {
		var right bool
		right, err = c.comparison()
		left = left && right
	}
	return left, err
}

func (c *conditions) comparison() (bool, error) {
	if c.next("(") {
		if c.depth++; c.depth > maxDepth {
			return false, errCondition
		}
		v, err := c.or()
		if err == nil && !c.next(")") {
			err = errCondition
		}
		return v, err
	}
	left, err := c.operand()
	if err != nil {
		return false, err
	}
	for _, op := range []string{"==", "!=", "=~", "!~"} {
		if !c.next(op) {
			continue
		}
		right, err := c.operand()
		if err != nil {
			return false, err
		}
		var alike bool
		if op[1] == '~' {
			if alike, err = matches(left, right); err != nil {
				return false, err
			}
		} else {
			alike = left == right
		}
		return alike == (op[0] == '='), nil
	}
	return left.truth(), nil
}

// operand is a variable's value, a text, a pattern with its slashes, or null.
func (c *conditions) operand() (value, error) {
	if len(c.words) == 0 {
		return value{}, errCondition
	}
	w := c.words[0]
	c.words = c.words[1:]
	switch {
	case w == "null":
		return value{}, nil
	case w[0] == '$':
		text, there := c.vars[w[1:]]
		return value{text, there}, nil
	case w[0] == '"' || w[0] == '\'':
		return value{w[1 : len(w)-1], true}, nil
	case w[0] == '/':
		return value{w, true}, nil
	}
	return value{}, errCondition
}

// matches tells whether a text matches a pattern such as /^v1/i.
func matches(text, pattern value) (bool, error) {
	end := strings.LastIndexByte(pattern.text, '/')
	if end < 1 || pattern.text[0] != '/' {
		return false, errCondition
	}
	flags, expr := pattern.text[end+1:], strings.ReplaceAll(pattern.text[1:end], `\/`, "/")
	if strings.Trim(flags, "ims") != "" {
		return false, errCondition
	}
	if flags != "" {
		expr = "(?" + flags + ")" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return false, errCondition
	}
	return re.MatchString(text.text), nil
}
