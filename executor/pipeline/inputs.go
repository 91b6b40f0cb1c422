package pipeline

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gitlab-dind-executor/pattern"
)

// divider stands between two documents of a file.
var divider = pattern.New(`(?m)^---\s+`)

// header returns the inputs in a file's header, and the text behind the header. spec is nil
// without a header. Empty lines before the text keep line numbers right.
func (r *reader) header(name string, text []byte) (spec *node, content []byte, err error) {
	from, end := 0, 0
	for _, at := range divider.Regexp().FindAllIndex(text, 2) {
		if strings.TrimSpace(string(text[from:at[0]])) == "" {
			from = at[1]
			continue
		}
		end = at[1]
		text, content = text[:at[0]], text[at[1]:]
		break
	}
	if end == 0 || !strings.Contains(string(text), "spec") {
		return nil, nil, nil
	}
	docs, err := r.parse(name, text)
	if err != nil || len(docs) == 0 || docs[0].get("spec") == nil {
		return nil, nil, nil // the reading of the whole file reports the fault
	}
	lines := strings.Count(string(text), "\n") + 1
	return docs[0].get("spec"), append([]byte(strings.Repeat("\n", lines)), content...), nil
}

// interpolated returns the text of a file with the values of its inputs.
func (r *reader) interpolated(name string, text []byte, given *node) ([]byte, error) {
	bare, _, err := inUTF8(name, text)
	if err != nil {
		return nil, err
	}
	spec, content, err := r.header(name, bare)
	if err != nil {
		return nil, err
	}
	if spec == nil {
		if given != nil && len(given.entries) > 0 {
			return nil, given.faultf("write spec: {inputs: …} and a line of --- at its top", "%s takes no inputs", name)
		}
		return text, nil
	}
	values, err := r.inputs(name, spec, given)
	if err != nil {
		return nil, err
	}
	return r.interpolate(name, content, values)
}

// inputs returns the values of a file's inputs, in the form for its text.
func (r *reader) inputs(name string, spec, given *node) (map[string]inputValue, error) {
	specs := &node{kind: mapping}
	if spec.kind == mapping {
		for _, e := range spec.entries {
			switch {
			case e.key == "inputs" && e.value.kind == mapping:
				specs = e.value
			case e.key != "inputs":
				r.warnf("%s: not understood here: spec:%s", name, e.key)
			}
		}
	}
	if given != nil {
		for _, e := range given.entries {
			if specs.get(e.key) == nil {
				return nil, e.fault("name an input of its spec", "%s has no input %s", name, e.key)
			}
		}
	}
	values := map[string]inputValue{}
	// Inputs with rules come last, since rules ask for other inputs.
	for _, ruled := range []bool{false, true} {
		for _, e := range specs.entries {
			if ruled != (e.value.get("rules") != nil) {
				continue
			}
			if err := r.count(e.value); err != nil {
				return nil, err
			}
			var err error
			if ruled {
				if e.value, err = r.inputRules(e, values); err != nil {
					return nil, err
				}
			}
			if values[e.key], err = r.inputOf(e, given.get(e.key)); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

// inputValue is the value of an input. isText tells a text from other types.
type inputValue struct {
	text   string
	isText bool
}

// kinds are the types of inputs by their names.
var kinds = map[string]func(n *node) bool{
	"string":  func(n *node) bool { return n.kind == scalar && (n.typed == isString || n.typed == isSymbol) },
	"number":  func(n *node) bool { return n.kind == scalar && (n.typed == isInteger || n.typed == isFloat) },
	"boolean": func(n *node) bool { return n.kind == scalar && n.typed == isBoolean },
	"array":   func(n *node) bool { return n.kind == list },
}

// inputOf reads the value of an input: the given value, else its default.
func (r *reader) inputOf(e entry, value *node) (inputValue, error) {
	spec := e.value
	if spec.kind != null && spec.kind != mapping {
		return inputValue{}, e.fault("such as default: x, or nothing", "input %s is no mapping", e.key)
	}
	kind := "string"
	if t := spec.get("type"); t != nil {
		kind = t.text
	}
	fits := kinds[kind]
	if fits == nil {
		return inputValue{}, e.fault("string, number, boolean or array", "input %s: its type is %q", e.key, kind)
	}
	where := "its value"
	if value == nil || value.kind == null {
		value, where = spec.get("default"), "its default"
	}
	switch {
	case value == nil:
		return inputValue{}, e.fault("give it a value with include:inputs, or a default", "input %s has no value", e.key)
	case value.kind == null && kind == "string":
		return inputValue{isText: true}, nil
	case !fits(value):
		return inputValue{}, value.faultf("its type is "+kind, "input %s: %s is no %s", e.key, where, kind)
	}
	if err := r.allowed(e, value, where); err != nil {
		return inputValue{}, err
	}
	if kind == "string" {
		return inputValue{value.text, true}, nil
	}
	plain, err := r.plainValue(value, 0)
	if err != nil {
		return inputValue{}, err
	}
	text, err := json.Marshal(plain)
	return inputValue{string(text), false}, err
}

// allowed checks a value against the options and the pattern of its input.
func (r *reader) allowed(e entry, value *node, where string) error {
	if options := e.value.get("options"); options != nil && options.kind == list {
		of := []*node{value}
		if value.kind == list {
			of = value.items
		}
		for _, v := range of {
			if !slices.ContainsFunc(options.items, func(o *node) bool { return o.kind == v.kind && o.text == v.text }) {
				return value.faultf("name one of its options", "input %s: %s is none of its options", e.key, where)
			}
		}
	}
	pattern := e.value.get("regex")
	if pattern == nil || value.kind != scalar {
		return nil
	}
	re, err := regexp.Compile(pattern.text)
	if err != nil {
		return pattern.faultf("GitLab's patterns are those of RE2", "input %s: its regex is no pattern", e.key)
	}
	if !found(r.ctx, re, value.text) {
		return value.faultf("it is to match "+pattern.text, "input %s: %s does not match its regex", e.key, where)
	}
	return nil
}

// plainValue returns a node as JSON values. Nodes behind several aliases count each time.
func (r *reader) plainValue(n *node, depth int) (any, error) {
	if err := r.count(n); err != nil {
		return nil, err
	}
	switch {
	case depth > maxDepth || n.kind == null:
		return nil, nil
	case n.kind == list:
		out := []any{}
		for _, i := range n.items {
			v, err := r.plainValue(i, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case n.kind == mapping:
		out := map[string]any{}
		for _, e := range n.entries {
			v, err := r.plainValue(e.value, depth+1)
			if err != nil {
				return nil, err
			}
			out[e.key] = v
		}
		return out, nil
	case n.typed == isInteger:
		return json.Number(n.text), nil
	case n.typed == isFloat:
		if f, err := strconv.ParseFloat(strings.ReplaceAll(n.text, "_", ""), 64); err == nil {
			return rubyFloat(f), nil
		}
	case n.typed == isBoolean:
		return n.text == "true", nil
	}
	return n.text, nil
}

// rubyFloat writes a number as Ruby does, always with a point.
func rubyFloat(f float64) any {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	if !json.Valid([]byte(text)) {
		return nil // JSON has no such number
	}
	return json.Number(text)
}
