package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gitlab-dind-executor/fault"
)

// soon returns a context that ends an endless reading.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A pipeline that multiplies is refused before it takes the host's memory.
func TestWhatMultipliesIsTooLarge(t *testing.T) {
	const many = 4900
	var keys, aliases, merged, plain, warned strings.Builder
	keys.WriteString(".a: &a\n")
	for i := range many {
		fmt.Fprintf(&keys, "  k%d: x\n", i)
		fmt.Fprintf(&aliases, "j%d: *a\n", i)
		fmt.Fprintf(&merged, "j%d: {extends: .a, script: [x]}\n", i)
		fmt.Fprintf(&plain, "j%d: {script: [x]}\n", i)
		fmt.Fprintf(&warned, "j%d: {script: [x], l%d: x, m%d: x, n%d: x}\n", i, i, i, i)
	}
	script := "  script: [x]\n"
	var parallel, rules, lacking strings.Builder
	rules.WriteString(".r: &r\n" + strings.Repeat("- {if: '$A == \"b\"'}\n", many))
	for i := range many {
		fmt.Fprintf(&parallel, "j%d: {parallel: 200, script: [x]}\n", i)
		fmt.Fprintf(&rules, "j%d: {script: [x], rules: *r}\n", i)
		fmt.Fprintf(&lacking, "j%d: {script: [!reference [.a, script]]}\n", i)
	}
	nested := ".l: [&l0 [x, x, x, x, x, x, x, x, x, x]"
	for i := range 5 {
		nested += fmt.Sprintf(", &l%d [%s]", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i), 10), ", "))
	}
	nested += "]\n"
	for name, text := range map[string]string{
		"an include's inputs":                nested + "include: [{local: a, inputs: {x: *l5}}]\n",
		"what rules do":                      nested + "j: {script: [x], rules: [{if: $CI_DEPLOY_FREEZE, variables: *l5}, {when: always, variables: *l5}]}\n",
		"jobs that are the same mapping":     keys.String() + script + aliases.String(),
		"jobs that extend the same one":      keys.String() + script + merged.String(),
		"jobs that are made in parallel":     parallel.String(),
		"jobs with the same rules":           rules.String(),
		"jobs with the pipeline's variables": strings.Replace(keys.String(), ".a: &a", "variables:", 1) + plain.String(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte(text)}}, "a", input)
			if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "too large") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("but not what lacks the same", func(t *testing.T) {
		text := "include: [{template: x}]\n" + keys.String() + "  script: [" + strings.Repeat("x, ", many) + "!reference [.none, script]]\n" + lacking.String()
		p, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte(text)}}, "a", input)
		if err != nil || len(p.Jobs) != many || !p.Jobs[0].Cannot {
			t.Fatalf("%d jobs, and %v", len(p.Jobs), err)
		}
	})
	t.Run("but not what is only long", func(t *testing.T) {
		p, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte(warned.String())}}, "a", input)
		if err != nil || len(p.Jobs) != many {
			t.Fatalf("%d jobs, and %v", len(p.Jobs), err)
		}
		if n := len(p.Warnings); n != maxWarnings+1 || !strings.Contains(p.Warnings[n-1], "more") {
			t.Errorf("%d warnings, the last of them %q", n, p.Warnings[n-1])
		}
	})
}

// Jobs share texts of a file, so a long text must not be copied for each job.
func TestWhatIsLongIsTold(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	var stages, includes, values, merged strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&stages, "s%d, ", i)
		fmt.Fprintf(&includes, "https://x/%d, ", i)
		fmt.Fprintf(&values, "K%d: v, ", i)
	}
	for i := range 2 {
		fmt.Fprintf(&merged, ".m%d: &m%d {%s}\n", i, i, strings.ReplaceAll(values.String(), "K", fmt.Sprintf("K%d_", i)))
	}
	for name, c := range map[string]struct{ text, want string }{
		"the name of a job":           {"? " + long + "\n: {script: [x]}", "more than 255 characters"},
		"a value of a matrix":         {"j: {script: [x], parallel: {matrix: [{A: [" + long + "]}]}}", "more than 255 characters"},
		"values of a matrix together": {"j: {script: [x], parallel: {matrix: [{A: " + long[:200] + ", B: " + long[:200] + "}]}}", "more than 255 characters"},
		"many values of a matrix":     {"j: {script: [x], parallel: {matrix: [{" + values.String() + "}]}}", "more than 255 characters"},
		"the stages":                  {"stages: [" + stages.String() + "]\nj: {script: [x]}", "more than 1000 stages"},
		"the includes":                {"include: [" + includes.String() + "]\nj: {script: [x]}", "more than 1000 includes"},
		"what is merged":              {merged.String() + "j: {script: [x], <<: [*m0, *m1]}", "more than 5000 keys"},
	} {
		_, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte(c.text)}}, "a", input)
		if !fault.IsOfJob(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	for name, text := range map[string]string{
		"a variable":  "rules: [{if: $CI_" + long + "}]",
		"others":      "rules: [{if: $" + long + "}]",
		"a branch":    "only: [" + long + "]",
		"a base":      "extends: " + long,
		"a stage":     "stage: " + long,
		"a reference": "rules: [!reference [" + long + "]]",
		"a timeout":   "timeout: " + long,
	} {
		p, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte("include: [{template: x}]\nj: {script: [x], " + text + "}")}}, "a", input)
		if err != nil || len(p.Jobs) != 1 || len(p.Jobs[0].Why) > 2*maxLine || len(strings.Join(p.Warnings, "")) > 5*maxLine {
			t.Errorf("%s: %.200v, and a job says %d bytes", name, err, len(p.Jobs[0].Why))
		}
	}
	needing := "p: {script: [x], parallel: 200}\n"
	for i := range 4000 {
		needing += fmt.Sprintf("j%d: {stage: deploy, script: [x], needs: [p]}\n", i)
	}
	_, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte(needing)}}, "a", input)
	if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "too large") {
		t.Errorf("jobs that need all of a parallel one: %.200v", err)
	}
}

// Variables that name each other grow by multiplication.
func TestVariablesInTextsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	s := scope{"A": long}
	if out, _ := s.expand(strings.Repeat("$A", 1000)); len(out) > 2*maxExpanded {
		t.Errorf("it is %d bytes", len(out))
	}
	text := "variables: {A: " + long + "}\nj: {script: [x], rules: [{exists: ['{a,$A}']}]}\n"
	p, err := Read(soon(t), fstest.MapFS{"a": {Data: []byte(text)}}, "a", input)
	if err != nil || !p.Jobs[0].Maybe {
		t.Errorf("a pattern that is too long is decided on, %v", err)
	}
	r := &reader{ctx: t.Context(), input: Input{Predefined: []Variable{{Key: "A", Value: long}}}, warned: map[string]bool{}}
	if out := r.includePath(strings.Repeat("$A", 1000)); len(out) > 2*maxExpanded {
		t.Errorf("the path of an include is %d bytes", len(out))
	}
	v := inputValue{text: strings.Repeat("$A", 1000), isText: true}
	if v, err := r.function(&node{}, "expand_vars", v); err == nil {
		t.Errorf("an input is %d bytes", len(v.text))
	}
}
