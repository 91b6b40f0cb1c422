package pipeline

import (
	"strings"
	"testing"
)

func TestInputsOfAnInclude(t *testing.T) {
	const body = "\n---\na: {script: ['$[[ inputs.x ]]']}\n"
	with := func(value string) string { return "include: [{local: t.yml, inputs: {x: " + value + "}}]" }
	const without = "include: [{local: t.yml}]"
	for name, c := range map[string]struct{ main, file, want string }{
		"given":                        {with("v"), "spec: {inputs: {x: }}" + body, "v"},
		"the default":                  {without, "spec: {inputs: {x: {default: d}}}" + body, "d"},
		"given over the default":       {with("v"), "spec: {inputs: {x: {default: d}}}" + body, "v"},
		"an empty default":             {without, "spec: {inputs: {x: {default: ''}}}" + body, ""},
		"neither":                      {without, "spec: {inputs: {x: }}" + body, "error: input x has no value"},
		"one that is not there":        {with("v, y: w"), "spec: {inputs: {x: }}" + body, "error: t.yml has no input y"},
		"of a file without":            {with("v"), "a: {script: [a]}", "error: t.yml takes no inputs"},
		"a number":                     {with("8"), "spec: {inputs: {x: {type: number}}}" + body, "8"},
		"a number with a point":        {with("1.50"), "spec: {inputs: {x: {type: number}}}" + body, "1.5"},
		"a number that is a text":      {with("'8'"), "spec: {inputs: {x: {type: number}}}" + body, "error: its value is no number"},
		"a text that is a number":      {with("8"), "spec: {inputs: {x: }}" + body, "error: its value is no string"},
		"a boolean":                    {with("yes"), "spec: {inputs: {x: {type: boolean}}}" + body, "true"},
		"a boolean that is none":       {without, "spec: {inputs: {x: {type: boolean, default: x}}}" + body, "error: its default is no boolean"},
		"a type that is none":          {with("v"), "spec: {inputs: {x: {type: text}}}" + body, "error: its type is"},
		"an option":                    {with("b"), "spec: {inputs: {x: {options: [a, b]}}}" + body, "b"},
		"none of the options":          {with("c"), "spec: {inputs: {x: {options: [a, b]}}}" + body, "error: none of its options"},
		"a default that is no option":  {without, "spec: {inputs: {x: {options: [a, b], default: c}}}" + body, "error: its default is none of its options"},
		"what matches":                 {with("v1.2"), `spec: {inputs: {x: {regex: '^v\d\.\d+$'}}}` + body, "v1.2"},
		"what does not":                {with("x1.2"), `spec: {inputs: {x: {regex: '^v\d\.\d+$'}}}` + body, "error: its value does not match"},
		"a pattern that is none":       {with("x"), "spec: {inputs: {x: {regex: '('}}}" + body, "error: its regex is no pattern"},
		"a comment in the header":      {with("v"), "# what it is for\nspec:\n  inputs:\n    x:\n      description: '---'\n" + body, "v"},
		"a line before the header":     {with("v"), "---\nspec: {inputs: {x: }}" + body, "v"},
		"space behind the line":        {with("v"), "spec: {inputs: {x: }}\n---  \na: {script: ['$[[inputs.x]]']}", "v"},
		"no such input":                {with("v"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.y ]]']}", "error: t.yml:3: there is no inputs.y"},
		"another context":              {with("v"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ component.name ]]']}", "error: there is no component.name"},
		"without a header":             {without, "a: {script: ['$[[ inputs.x ]]']}", "$[[ inputs.x ]]"},
		"in a name":                    {with("v"), "spec: {inputs: {x: }}\n---\n'$[[ inputs.x ]]-a': {script: ['$[[ inputs.x ]]']}", "v"},
		"in a text":                    {with("v"), "spec: {inputs: {x: }}\n---\na: {script: ['echo $[[ inputs.x ]]-$[[ inputs.x ]]']}", "echo v-v"},
		"a list":                       {with("[one, 'two: 2']"), "spec: {inputs: {x: {type: array}}}\n---\na: {script: $[[ inputs.x ]]}", "one|two: 2"},
		"a list of mappings":           {with("[{when: never, if: '$CI_COMMIT_TAG && \"a<b\"'}, {when: always}]"), "spec: {inputs: {x: {type: array}}}\n---\na:\n  script: [a]\n  rules: $[[ inputs.x ]]\n", "a"},
		"options of a list":            {with("[a, c]"), "spec: {inputs: {x: {type: array, options: [a, b]}}}\n---\na: {script: $[[ inputs.x ]]}", "error: none of its options"},
		"a matrix is another's":        {with("v"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x ]] $[[ matrix.y ]]']}", "v $[[ matrix.y ]]"},
		"a part of it":                 {with("'äbcdef'"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x | truncate(1,3) ]]']}", "bcd"},
		"a part beyond it":             {with("abc"), "spec: {inputs: {x: }}\n---\na: {script: ['x$[[ inputs.x | truncate( 2, 9 ) ]]$[[ inputs.x | truncate(7,1) ]]']}", "xc"},
		"its variables":                {with("$CI_COMMIT_BRANCH-$NONE"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x | expand_vars ]]']}", "main-$NONE"},
		"one after the other":          {with("$CI_COMMIT_BRANCH"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x | expand_vars | truncate(0,2) ]]']}", "ma"},
		"for a shell":                  {with("'a b$c'"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x | posix_escape ]]']}", `a\ b\$c`},
		"nothing, for a shell":         {with("''"), "spec: {inputs: {x: }}\n---\na: {script: [\"$[[ inputs.x | posix_escape ]]\"]}", "''"},
		"a function that is none":      {with("a"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x | upper ]]']}", "error: there is no function upper"},
		"too many functions":           {with("a"), "spec: {inputs: {x: }}\n---\na: {script: ['$[[ inputs.x " + strings.Repeat("| expand_vars ", 4) + "]]']}", "error: more than 3 functions"},
		"a function for texts":         {with("1"), "spec: {inputs: {x: {type: number}}}\n---\na: {script: ['$[[ inputs.x | truncate(0,1) ]]']}", "error: is for text"},
		"twice, with different ones":   {"include: [{local: t.yml, inputs: {x: v}}, {local: t.yml, inputs: {x: w}}]", "spec: {inputs: {x: }}\n---\n'a-$[[ inputs.x ]]': {script: ['$[[ inputs.x ]]']}", "v; w"},
		"handed on":                    {"include: [{local: u.yml, inputs: {y: v}}]", "spec: {inputs: {x: }}" + body, "v"},
		"of the file itself":           {"spec: {inputs: {x: {default: d}}}" + body, "", "d"},
		"of the file itself, without":  {"spec: {inputs: {x: }}" + body, "", "error: input x has no value"},
		"what grows too large":         {with(strings.Repeat("x", 1000)), "spec: {inputs: {x: }}\n---\na: {script: ['" + strings.Repeat("$[[ inputs.x ]]", 5000) + "']}", "error: too large"},
		"a default of a rule":          {without, "spec: {inputs: {x: {rules: [{default: y}]}}}" + body, "y"},
		"given over that":              {with("v"), "spec: {inputs: {x: {rules: [{default: y}]}}}" + body, "v"},
		"a rule that asks for another": {without, "spec: {inputs: {x: {rules: [{if: '$[[ inputs.y ]] == \"a\"', default: A}, {if: '$[[inputs.y]] =~ /^bc/', default: B}, {default: C}]}, y: {default: bcd}}}" + body, "B"},
		"the rule without a condition": {without, "spec: {inputs: {x: {rules: [{if: '$[[ inputs.y ]] == true', default: A}, {default: C}]}, y: {type: boolean, default: false}}}" + body, "C"},
		"options of a rule":            {with("c"), "spec: {inputs: {x: {rules: [{if: '$[[ inputs.y ]] == true', options: [a]}]}, y: {type: boolean, default: true}}}" + body, "error: none of its options"},
		"no rule that holds":           {without, "spec: {inputs: {x: {rules: [{if: '$[[ inputs.z ]] == \"a\"', default: A}]}}}" + body, "error: input x has no value"},
		"a rule that has no meaning":   {without, "spec: {inputs: {x: {rules: [{if: '$A', default: A}]}}}" + body, "error: invalid expression"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := decision{text: c.main, files: map[string]string{
				"t.yml": c.file,
				"u.yml": "spec: {inputs: {y: }}\n---\ninclude: [{local: t.yml, inputs: {x: '$[[ inputs.y ]]'}}]\n",
			}}.read(t)
			var scripts []string
			for _, j := range p.Jobs {
				scripts = append(scripts, strings.Join(j.Script, "|"))
			}
			got := strings.Join(scripts, "; ")
			if err != nil {
				got = "error: " + err.Error()
			}
			if fault, of := strings.CutPrefix(c.want, "error: "); of && err != nil && strings.Contains(err.Error(), fault) {
				return
			}
			if got != c.want {
				t.Errorf("%s\nwant %s (%q)", got, c.want, p.Warnings)
			}
		})
	}
}
