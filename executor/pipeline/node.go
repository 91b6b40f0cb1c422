package pipeline

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"gitlab-dind-executor/fault"
)

const (
	// maxNodes bounds what aliases, extends and references can make of a file.
	maxNodes = 300_000
	// maxDepth bounds how deep one thing stands in another.
	maxDepth = 100
	// maxKeys bounds one mapping.
	maxKeys = 5000
)

type kind int

const (
	null kind = iota
	scalar
	list
	mapping
	reference
)

// node is a piece of a file after anchors and merge keys. Nodes are shared and
// never change once they are made, but for what a mapping's builder does.
type node struct {
	kind kind
	file string
	line int
	// text is a scalar as it was written, without its quotes, and decimal says
	// that it had none and is a number with a point.
	text    string
	decimal bool
	items   []*node // of a list
	entries []entry // of a mapping, in order
	path    []string
}

type entry struct {
	key   string
	line  int
	value *node
}

// get is the value of a key, or nil.
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

// set puts a value in the place of a key's, or the key at the end.
func (n *node) set(e entry) {
	for i := range n.entries {
		if n.entries[i].key == e.key {
			n.entries[i] = e
			return
		}
	}
	n.entries = append(n.entries, e)
}

// faultf is a fault of the pipeline at a place of it.
func (n *node) faultf(hint, format string, args ...any) error {
	return faultAt(n.file, n.line, hint, format, args...)
}

func faultAt(file string, line int, hint, format string, args ...any) error {
	return fault.Job(fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...)), hint)
}

// parse reads one file: its documents, without those that are empty.
func (r *reader) parse(file string, text []byte) (docs []*node, err error) {
	defer func() {
		if p := recover(); p != nil { // the parser is not made for every input
			err = fault.Job(fmt.Errorf("%s: this cannot be read as YAML", file), "check it with GitLab's pipeline editor")
		}
	}()
	if text, err = r.inUTF8(file, text); err != nil {
		return nil, err
	}
	if line := tooDeep(text); line > 0 {
		return nil, faultAt(file, line, "GitLab does not take it either", "it is nested too deeply")
	}
	tree, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(file, err)
	}
	for _, d := range tree.Docs {
		c := converter{reader: r, file: file, anchors: map[string]*node{}}
		n, err := c.convert(d.Body, 0)
		if err != nil {
			return nil, err
		}
		if n.kind != null {
			docs = append(docs, n)
		}
	}
	return docs, nil
}

// converter makes nodes of one document.
type converter struct {
	*reader
	file    string
	anchors map[string]*node
}

func (c *converter) convert(from ast.Node, depth int) (*node, error) {
	n := &node{file: c.file}
	if from == nil {
		return n, nil
	}
	if t := from.GetToken(); t != nil && t.Position != nil {
		n.line = t.Position.Line
	}
	if depth > maxDepth {
		return nil, n.faultf("GitLab does not take it either", "it is nested too deeply")
	}
	if err := c.count(n); err != nil {
		return nil, err
	}
	switch from := from.(type) {
	case *ast.NullNode:
	case *ast.AnchorNode:
		v, err := c.convert(from.Value, depth+1)
		if err != nil {
			return nil, err
		}
		c.anchors[from.Name.GetToken().Value] = v
		return v, nil
	case *ast.AliasNode:
		name := from.Value.GetToken().Value
		v := c.anchors[name]
		if v == nil {
			return nil, n.faultf("an anchor stands before its aliases, in the same file: &"+name, "there is no anchor %q", name)
		}
		return v, nil
	case *ast.TagNode:
		return c.tagged(n, from, depth)
	case *ast.MappingNode:
		return n, c.pairs(n, from.Values, depth)
	case *ast.MappingValueNode:
		return n, c.pairs(n, []*ast.MappingValueNode{from}, depth)
	case *ast.SequenceNode:
		n.kind = list
		for _, v := range from.Values {
			item, err := c.convert(v, depth+1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	case *ast.StringNode:
		n.kind, n.text = scalar, from.Value
	case *ast.LiteralNode:
		n.kind, n.text = scalar, from.Value.Value
	case *ast.FloatNode:
		n.kind, n.text = scalar, from.GetToken().Value
		n.decimal = strings.Trim(n.text, "0123456789.") == ""
	default: // numbers and booleans, as they were written
		n.kind, n.text = scalar, from.GetToken().Value
	}
	return n, nil
}

// tagged understands !reference; other tags say of what type a value is.
func (c *converter) tagged(n *node, from *ast.TagNode, depth int) (*node, error) {
	v, err := c.convert(from.Value, depth+1)
	if err != nil {
		return nil, err
	}
	if from.Start.Value != "!reference" {
		typed := *v
		typed.decimal = false
		return &typed, nil
	}
	n.kind = reference
	for _, item := range v.items {
		if item.kind != scalar {
			return nil, n.faultf("such as !reference [.setup, script]", "a reference is a list of words")
		}
		n.path = append(n.path, item.text)
	}
	if len(n.path) == 0 {
		return nil, n.faultf("such as !reference [.setup, script]", "a reference names nothing")
	}
	return n, nil
}

// pairs fills a mapping. What stands later wins, also where it is a merge key, as
// in GitLab; YAML lets a mapping's own keys win.
func (c *converter) pairs(n *node, from []*ast.MappingValueNode, depth int) error {
	n.kind = mapping
	if len(from) > maxKeys {
		return n.faultf("GitLab does not take it either", "it has more than %d keys", maxKeys)
	}
	own := map[string]bool{}
	for _, p := range from {
		v, err := c.convert(p.Value, depth+1)
		if err != nil {
			return err
		}
		line := n.line
		if t := p.Key.GetToken(); t != nil && t.Position != nil {
			line = t.Position.Line
		}
		if _, merge := p.Key.(*ast.MergeKeyNode); merge {
			if err := c.merged(n, v, own, line); err != nil {
				return err
			}
			continue
		}
		k, err := c.convert(p.Key, depth+1)
		if err != nil {
			return err
		}
		if k.kind != scalar {
			return faultAt(c.file, line, "put it in quotes if it is text", "a key is not a word")
		}
		if own[k.text] {
			c.warnf("%s:%d: %s stands there twice, the last counts", c.file, line, k.text)
		}
		own[k.text] = true
		n.set(entry{k.text, line, v})
	}
	return nil
}

// merged takes over what a merge key names.
func (c *converter) merged(n, from *node, own map[string]bool, line int) error {
	sources := []*node{from}
	if from.kind == list {
		sources = from.items
	}
	taken := map[string]bool{} // of several sources the first wins
	for _, s := range sources {
		if s.kind != mapping {
			return faultAt(c.file, line, "<<: *anchor takes over a mapping's keys", "what is to be merged is no mapping")
		}
		for _, e := range s.entries {
			if err := c.count(s); err != nil {
				return err
			}
			if taken[e.key] {
				continue
			}
			taken[e.key] = true
			if own[e.key] {
				c.warnf("%s:%d: <<: replaces %s, which stands before it: put <<: first", c.file, line, e.key)
			}
			n.set(e)
		}
	}
	return nil
}
