package pipeline

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/fault"
)

const (
	// maxDepth bounds the depth of nesting.
	maxDepth = 100
	// maxKeys bounds a mapping.
	maxKeys = 5000
	// maxNodes bounds the growth of a file by aliases, extends and references.
	maxNodes = 300_000
)

type kind int

const (
	null kind = iota
	scalar
	list
	mapping
	reference
)

// node is a piece of a file after anchors and merge keys. Nodes are shared and never change
// once they are made, except while a mapping is built.
type node struct {
	kind kind
	file string
	line int
	// text is a scalar as Ruby prints scalars. typed is the scalar's type.
	text    string
	typed   scalarType
	items   []*node // of a list
	entries []entry // of a mapping, in order
	// odd describes a mapping's key that is no text. GitLab accepts such a key where
	// nothing reads the key alone.
	odd  string
	path []string
}

type entry struct {
	key   string
	line  int
	value *node
}

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// set replaces a key's value, or appends the key.
func (n *node) set(e entry) {
	for i := range n.entries {
		if n.entries[i].key == e.key {
			n.entries[i] = e
			return
		}
	}
	n.entries = append(n.entries, e)
}

// faultf returns a fault at the node's place in the pipeline.
func (n *node) faultf(hint, format string, args ...any) error {
	return faultAt(n.file, n.line, hint, format, args...)
}

func faultAt(file string, line int, hint, format string, args ...any) error {
	return fault.Job(fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...)), hint)
}

// maxDocuments bounds the documents of a file. GitLab looks at two.
const maxDocuments = 10

// parse reads the documents of a file, without empty ones.
func (r *reader) parse(file string, text []byte) (docs []*node, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser is not made for every input
			err = fault.Job(fmt.Errorf("%s: this cannot be read as YAML", file), "check it with GitLab's pipeline editor")
		}
	}()
	text, marked, err := inUTF8(file, text)
	if err != nil {
		return nil, err
	}
	if line := tooDeep(text); line > 0 {
		return nil, faultAt(file, line, "GitLab does not take it either", "it is nested too deeply")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for range maxDocuments {
		var d yaml.Node
		if err := decoder.Decode(&d); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, syntaxError(file, text, err)
		}
		c := converter{reader: r, file: file, done: map[*yaml.Node]*node{}}
		n, err := c.convert(&d, 0)
		if err != nil {
			return nil, err
		}
		if n.kind != null {
			docs = append(docs, n)
		}
	}
	if marked {
		r.warnOfMark(file, docs)
	}
	return docs, nil
}

// converter makes nodes of a document.
type converter struct {
	*reader
	file string
	// done are nodes with an anchor; nil marks an unfinished node.
	done map[*yaml.Node]*node
}

func (c *converter) convert(from *yaml.Node, depth int) (*node, error) {
	n := &node{file: c.file, line: from.Line}
	if depth > maxDepth {
		return nil, n.faultf("GitLab does not take it either", "it is nested too deeply")
	}
	if err := c.count(n); err != nil {
		return nil, err
	}
	if from.Anchor != "" {
		c.done[from] = nil
		defer func() { c.done[from] = n }()
	}
	if strings.HasPrefix(from.Tag, "!ruby/") {
		return nil, n.faultf("GitLab does not take it either", "a value has the tag %s", from.Tag)
	}
	switch from.Kind {
	case yaml.DocumentNode:
		if len(from.Content) == 0 {
			return n, nil
		}
		return c.convert(from.Content[0], depth)
	case yaml.AliasNode:
		v := c.done[from.Alias]
		if v == nil {
			return nil, n.faultf("an anchor stands before its aliases, and not around them", "the alias *%s is in what it names", from.Value)
		}
		return v, nil
	case yaml.MappingNode:
		return n, c.pairs(n, from.Content, depth)
	case yaml.SequenceNode:
		n.kind = list
		for _, v := range from.Content {
			item, err := c.convert(v, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
		if from.Tag == "!reference" {
			return n, n.refer()
		}
	case yaml.ScalarNode:
		return n, n.scalar(from)
	}
	return n, nil
}

// scalar reads a scalar as Psych does.
func (n *node) scalar(from *yaml.Node) error {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	n.kind, n.text = scalar, from.Value
	tagged := from.Style&yaml.TaggedStyle != 0
	switch {
	case tagged && from.Tag == "!reference":
		return n.faultf("such as !reference [.setup, script]", "a reference is a list of words")
	case tagged && (from.Tag == "!!str" || from.Tag == "!str"):
	case tagged && (from.Tag == "!!binary" || from.Tag == "!binary"):
		text, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(from.Value), ""))
		if err != nil {
			return n.faultf("write base64 behind !!binary", "a value is not base64")
		}
		n.text = string(text)
	case !tagged && from.Style&quoted != 0:
	default:
		n.typed, n.text = unquoted(from.Value)
		if tagged && n.typed == isInteger && (from.Tag == "!!float" || from.Tag == "!float") {
			n.typed = isFloat
		}
	}
	switch n.typed {
	case isNil:
		n.kind = null
	case isDate, isTime:
		return n.faultf("GitLab takes no file with a date or time in it: put it in quotes: \""+n.text+"\"", "%s is a date", n.text)
	}
	return nil
}

// refer makes a reference of a list.
func (n *node) refer() error {
	for _, item := range n.items {
		if item.kind != scalar {
			return n.faultf("such as !reference [.setup, script]", "a reference is a list of words")
		}
		n.path = append(n.path, item.text)
	}
	if len(n.path) == 0 {
		return n.faultf("such as !reference [.setup, script]", "a reference names nothing")
	}
	n.kind, n.items = reference, nil
	return nil
}
