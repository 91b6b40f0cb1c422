package pipeline

import (
	"strings"
	"testing"
)

func TestInheritance(t *testing.T) {
	const top = "default: {before_script: [before], after_script: [after], image: i}\nvariables: {A: x, B: x}\n"
	for name, c := range map[string]struct{ job, want string }{
		"all":                     {"", "i before/a after A=x B=x"},
		"no defaults":             {"inherit: {default: false}", " a  A=x B=x"},
		"some defaults":           {"inherit: {default: [image]}", "i a  A=x B=x"},
		"no variables":            {"inherit: {variables: false}", "i before/a after"},
		"some variables":          {"inherit: {variables: [B, C]}", "i before/a after B=x"},
		"nothing":                 {"inherit: {default: false, variables: false}", " a "},
		"all, said":               {"inherit: {default: true, variables: true}", "i before/a after A=x B=x"},
		"none of a list":          {"inherit: {default: [], variables: []}", " a "},
		"over a variable of all":  {"inherit: {variables: false}, variables: {A: y}", "i before/a after A=y"},
		"its own over the others": {"inherit: {default: false}, image: j", "j a  A=x B=x"},
		"by extends":              {"extends: .n", " a  A=x B=x"},
	} {
		text := top + ".n: {inherit: {default: false}}\na: {script: [a]"
		if c.job != "" {
			text += ", " + c.job
		}
		p, err := decision{text: text + "}\n"}.read(t)
		if err != nil || len(p.Jobs) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		j := p.Jobs[0]
		got := j.Image.Name + " " + strings.Join(j.Script, "/") + " " + strings.Join(j.AfterScript, "/")
		for _, v := range j.Variables {
			got += " " + v.Key + "=" + v.Value
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	testDecisions(t, map[string]decision{
		"the old way, too":    {text: "image: i\na: {script: [a], inherit: {default: false}}", want: "a +"},
		"neither yes nor no":  {text: "a: {script: [a], inherit: {default: perhaps}}", want: "error: is neither"},
		"what is no keyword":  {text: "a: {script: [a], inherit: {all: false}}", want: "a +"},
		"what is no mapping":  {text: "a: {script: [a], inherit: false}", want: "error: is no mapping"},
		"a rule without them": {text: "variables: {A: x}\na: {script: [a], inherit: {variables: false}, rules: [{if: $A}]}", want: "a -"},
	})
}
