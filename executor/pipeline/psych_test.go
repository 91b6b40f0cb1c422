package pipeline

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// shape returns a node in the form of the recording.
func shape(n *node) any {
	out := []any{}
	switch n.kind {
	case null:
		return []any{"nothing", ""}
	case scalar:
		if n.typed == isFloat {
			return []any{n.typed.String()}
		}
		return []any{n.typed.String(), n.text}
	case list:
		for _, i := range n.items {
			out = append(out, shape(i))
		}
		return map[string]any{"list": out}
	case mapping:
		for _, e := range n.entries {
			out = append(out, []any{e.key, shape(e.value)})
		}
		return map[string]any{"mapping": out}
	default:
		for _, w := range n.path {
			out = append(out, []any{"text", w})
		}
		return map[string]any{"reference": out}
	}
}

// keysAlone replaces the keys of a recorded mapping, which have types, by their texts.
func keysAlone(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = keysAlone(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = keysAlone(v[k])
		}
		pairs, _ := v["mapping"].([]any)
		for _, p := range pairs {
			pair := p.([]any)
			key := pair[0].([]any)
			pair[0] = ""
			if len(key) > 1 {
				pair[0] = key[1]
			}
		}
	}
	return v
}

// The answers of Ruby's Psych, GitLab's reader of YAML. testdata/psych.rb recorded them.
func TestScalarsAreThoseOfPsych(t *testing.T) {
	// Each difference has a reason.
	differs := map[string]string{
		// The port of libyaml is newer than the libyaml of the recording.
		"a: {b:}\n": "",
		// GitLab, too, accepts no name of a job that is not text.
		"1: a\nyes: b\n1.5: c\n:d: e\n\"f\": g\n~: h\n": "is a whole number",
	}
	f, err := os.Open("testdata/psych.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Scan() // the releases
	n := 0
	for ; lines.Scan(); n++ {
		var record []any
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatal(err)
		}
		text, want := record[0].(string), keysAlone(record[1])
		document := text
		if text != "" && !strings.HasSuffix(text, "\n") { // a scalar, which was recorded in a list
			document = "- " + text + "\n"
		}
		r := &reader{ctx: t.Context(), warned: map[string]bool{}}
		docs, err := r.parse("a", []byte(document))
		var refused string
		if m, ok := want.(map[string]any); ok {
			refused, _ = m["refused"].(string)
		}
		reason, known := differs[text]
		switch {
		case known:
			if reason != "" && (err == nil || !strings.Contains(err.Error(), reason)) {
				t.Errorf("%q: %v, want %s", text, err, reason)
			}
		case refused != "":
			if err == nil {
				t.Errorf("%q is read; Psych says %s", text, refused)
			}
		case err != nil:
			t.Errorf("%q: %v", text, err)
		default:
			got := any([]any{"nothing", ""})
			if len(docs) > 0 {
				got = shape(docs[0])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: -psych +here\n%s", text, diff)
			}
		}
	}
	if n < 200 {
		t.Errorf("%d records", n)
	}
}

// Values whose types GitLab refuses are refused, with a hint.
func TestValuesHaveTheTypesThatGitLabWants(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a variable that is whole":           {"variables: {A: 1_000, B: 0x1F, C: 12:30, E: ~, F: 0o17}\nj: {script: [x]}", "A=1000 B=31 C=45000 E= F=0o17"},
		"a variable that is a symbol":        {"variables:\n  A: :sym\nj: {script: [x]}", "A=sym"},
		"a variable with a point":            {"variables: {A: 1.10}\nj: {script: [x]}", "A is a number with a point, which GitLab does not take"},
		"a variable that is true":            {"variables: {A: yes}\nj: {script: [x]}", "A is true or false, which GitLab does not take"},
		"a variable's value that is true":    {"j: {variables: {A: {value: off}}, script: [x]}", "A is true or false, which GitLab does not take"},
		"a date, wherever it stands":         {".x: {y: 2024-01-31}\nj: {script: [x]}", "2024-01-31 is a date"},
		"a line of a script that is true":    {"j: {script: [yes]}", "j: script: true is true or false, not text"},
		"a line of a script that is 1":       {"j: {script: [1]}", "j: script: 1 is a whole number, not text"},
		"an image of a number":               {"j: {image: {name: 3.20}, script: [x]}", "j: image:name: 3.20 is a number with a point, not text"},
		"a stage that is a number":           {"stages: [1]\nj: {stage: \"1\", script: [x]}", "stages: 1 is a whole number, not text"},
		"a truth in quotes":                  {"j: {allow_failure: \"true\", script: [x]}", "j: allow_failure is neither"},
		"a truth of YAML 1.1":                {"j: {allow_failure: on, script: [x]}", ""},
		"codes that are numbers":             {"j: {allow_failure: {exit_codes: [1, 0x10]}, script: [x]}", ""},
		"a code in quotes":                   {"j: {allow_failure: {exit_codes: [\"1\"]}, script: [x]}", "exit_codes: \"1\""},
		"a job whose name is a number":       {"404: {script: [x]}", "the name 404 is a whole number"},
		"a job whose name is true":           {"on: {script: [x]}", "the name on is true or false"},
		"a variable whose name is true":      {"variables: {ON: \"1\"}\nj: {script: [x]}", "the name ON is true or false"},
		"such a name below another job":      {"variables: {A: \"1\"}\n.x: {variables: {no: \"1\"}}\nj: {extends: .x, script: [x]}", "the name no is true or false"},
		"names that nothing looks at":        {".versions: {3.8: x, on: y, 12: z}\nj: {script: [!reference [.versions, \"12\"]]}", ""},
		"a symbol for a name":                {":j: {script: [x]}", ""},
		"a text that only looks like a date": {"j: {script: [echo 2024-01-31]}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Read(t.Context(), fstest.MapFS{"a": {Data: []byte(c.text)}}, "a", Input{})
			var got []string
			if err != nil {
				got = []string{err.Error()}
			} else {
				for _, v := range p.Jobs[0].Variables {
					got = append(got, v.Key+"="+v.Value)
				}
			}
			text := strings.Join(got, " ")
			if !strings.Contains(text, c.want) || c.want == "" && text != "" {
				t.Errorf("%q, want %q", text, c.want)
			}
		})
	}
}
