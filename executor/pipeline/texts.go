package pipeline

import (
	"strings"
	"unicode/utf8"
)

// maxName is GitLab's bound on the name of a job, in characters.
const maxName = 255

func tooLong(name string) bool { return utf8.RuneCountInString(name) > maxName }

// maxLine bounds a line of a message, in bytes. Jobs share texts of a file, and each has
// lines of its own.
const maxLine = 2000

// short cuts a line to the bound.
func short(line string) string {
	if len(line) <= maxLine {
		return line
	}
	return strings.ToValidUTF8(line[:maxLine], "") + "…"
}

// flat returns a list without nested lists. A single value becomes a list.
func (r *reader) flat(n *node) ([]*node, error) {
	if n == nil || n.kind == null {
		return nil, nil
	}
	if n.kind != list {
		return []*node{n}, nil
	}
	var out []*node
	for _, i := range n.items {
		if err := r.count(i); err != nil {
			return nil, err
		}
		inner, err := r.flat(i)
		if err != nil {
			return nil, err
		}
		out = append(out, inner...)
	}
	return out, nil
}

// word reads a single word or number.
func (r *reader) word(n *node, what string) (string, error) {
	if n.kind != scalar {
		return "", n.faultf("write one word, in quotes if it has a colon or a brace in it", "%s is no word", what)
	}
	return n.text, n.isText(what)
}

// isText refuses numbers and the like where GitLab wants text.
func (n *node) isText(what string) error {
	if n.typed == isString || n.typed == isSymbol {
		return nil
	}
	return n.faultf("GitLab does not take it either: put it in quotes", "%s: %s is %s, not text", what, n.text, n.typed)
}

// words reads the words of a list, or a single word.
func (r *reader) words(n *node, what string) ([]string, error) {
	return r.texts(n, what, "write a word, or a list such as [a, b]", what+" is no list of words")
}

// commands reads the lines of a script.
func (r *reader) commands(n *node, what string) ([]string, error) {
	return r.texts(n, what, "put the command in single quotes: a colon with a space behind it makes a mapping of it", "a line of "+what+" is no text")
}

// texts reads the texts of a list; anything else in the list is a fault.
func (r *reader) texts(n *node, what, hint, message string) ([]string, error) {
	items, err := r.flat(n)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range items {
		if i.kind != scalar {
			return nil, i.faultf(hint, "%s", message)
		}
		if err := i.isText(what); err != nil {
			return nil, err
		}
		out = append(out, i.text)
	}
	return out, nil
}

func (r *reader) boolean(n *node, what string) (bool, error) {
	if n.kind != scalar || n.typed != isBoolean {
		return false, n.faultf("true or false, without quotes", "%s is neither", what)
	}
	return n.text == "true", nil
}

// into reads a value into a *string, *[]string or *bool.
func (r *reader) into(to any, n *node, what string) (err error) {
	switch to := to.(type) {
	case *string:
		*to, err = r.word(n, what)
	case *[]string:
		*to, err = r.words(n, what)
	case *bool:
		*to, err = r.boolean(n, what)
	}
	return err
}

// keys calls f for each key of a mapping.
func (r *reader) keys(n *node, what string, f func(entry) error) error {
	if n.kind != mapping {
		return n.faultf("such as key: value, one to a line", "%s is no mapping", what)
	}
	for _, e := range n.entries {
		if err := r.count(n); err != nil { // each job reads the pipeline's variables
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}
