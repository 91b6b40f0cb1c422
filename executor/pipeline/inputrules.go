package pipeline

import (
	"strconv"

	"gitlab-dind-executor/pattern"
)

// inputNamed is an input in a condition.
var inputNamed = pattern.New(`\$\[\[\s*inputs\.([a-zA-Z0-9_-]+)\s*\]\]`)

// inputRules returns the spec of an input. Options and default come from the first rule
// that holds.
func (r *reader) inputRules(e entry, values map[string]inputValue) (*node, error) {
	out := &node{kind: mapping, file: e.value.file, line: e.value.line}
	for _, k := range e.value.entries {
		if k.key != "rules" {
			out.set(k)
		}
	}
	rules, err := r.flat(e.value.get("rules"))
	if err != nil {
		return nil, err
	}
	for _, rule := range rules {
		if err := r.count(rule); err != nil {
			return nil, err
		}
		holds, err := r.inputRule(e, rule, values)
		if err != nil {
			return nil, err
		}
		if !holds {
			continue
		}
		for _, key := range []string{"options", "default"} {
			if v := rule.get(key); v != nil {
				out.set(entry{key, rule.line, v})
			}
		}
		break
	}
	return out, nil
}

// inputRule tells whether a rule holds. Rules ask for other inputs.
func (r *reader) inputRule(e entry, rule *node, values map[string]inputValue) (bool, error) {
	n := rule.get("if")
	if n == nil {
		return rule.kind == mapping, nil
	}
	var asked []value
	text := inputNamed.Regexp().ReplaceAllStringFunc(n.text, func(named string) string {
		v, known := values[inputNamed.FindStringSubmatch(named)[1]]
		switch {
		case !known:
			asked = append(asked, value{})
		case v.isText:
			asked = append(asked, textOf(v.text))
		case v.text == "true" || v.text == "false":
			asked = append(asked, truthOf(v.text == "true"))
		default:
			asked = append(asked, textOf(v.text))
		}
		return "$" + strconv.Itoa(len(asked)-1)
	})
	words, _ := lex(text) // no words are no condition
	v, err := judge(r.ctx, words, func(name string) value {
		if i, err := strconv.Atoi(name); err == nil && i < len(asked) {
			return asked[i]
		}
		return value{kind: isUnknown} // variables are not for inputs
	})
	if err != nil || v == maybe {
		return false, n.faultf("such as $[[ inputs.stage ]] == \"test\"", "input %s: invalid expression: %s", e.key, n.text)
	}
	return v == yes, nil
}
