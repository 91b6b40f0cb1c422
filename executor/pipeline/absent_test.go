package pipeline

import (
	"strings"
	"testing"
)

func TestWhatIsNotFetchedConcernsThoseThatNeedIt(t *testing.T) {
	const sast = "include: [{template: Jobs/SAST.gitlab-ci.yml}]\n"
	testDecisions(t, map[string]decision{
		"a template":                   {text: sast + "a: {script: [a]}\nsast: {variables: {A: x}}", want: "a +, sast !"},
		"a project":                    {text: "include: {project: g/p, file: [/a.yml, /b.yml], ref: main}\na: {script: [a]}\nb: {extends: .x, script: [b]}", want: "a +, b !"},
		"a remote file":                {text: "include: https://example.com/ci.yml\na: {script: [a]}\nb: {image: x}", want: "a +, b !"},
		"a remote file, by its key":    {text: "include: [{remote: 'https://example.com/ci.yml', integrity: sha256-x}]\na: {script: [a]}", want: "a +"},
		"a component":                  {text: "include: [{component: $CI_SERVER_FQDN/g/p/c@1, inputs: {stage: x}}]\na: {script: [a]}\nb: {extends: [.a, .c]}\n.a: {script: [x]}", want: "a +, b !"},
		"a base below a base":          {text: sast + ".mid: {extends: .far}\na: {extends: .mid, script: [a]}\nb: {script: [b]}", want: "a !, b +"},
		"a template that nobody needs": {text: sast + ".mid: {extends: .far}\nb: {script: [b]}", want: "b +"},
		"a reference":                  {text: sast + "a: {script: [!reference [.far, script]]}\nb: {script: [b]}", want: "a !, b +"},
		"a reference below one":        {text: sast + ".x: {script: [!reference [.far, script], x]}\na: {script: [!reference [.x, script]]}\nb: {script: [!reference [.x, script]]}\nc: {script: [c]}", want: "a !, b !, c +"},
		"a reference in the rules":     {text: sast + "a: {script: [a], rules: [!reference [.far, rules]]}", want: "a ?"},
		"a reference in only":          {text: sast + "a: {script: [a], only: !reference [.far, only]}\nb: {script: [b]}", want: "a ?, b +"},
		"a workflow of GitLab's own":   {text: "include: [{template: Workflows/Branch-Pipelines.gitlab-ci.yml}]\na: {script: [a]}", want: "a +"},
		"one for merge requests":       {text: "include: [{template: Workflows/MergeRequest-Pipelines.gitlab-ci.yml}]\na: {script: [a]}", want: "a +"},
		"the same, on a branch":        {text: "include: [{template: Workflows/MergeRequest-Pipelines.gitlab-ci.yml}]\na: {script: [a]}", want: "a -", input: on("feature")},
		"one that is not known":        {text: "include: [{template: Workflows/Other.gitlab-ci.yml}]\na: {script: [a]}", want: "a -"},
		"one that is replaced":         {text: "include: [{template: Workflows/Other.gitlab-ci.yml}]\nworkflow: {rules: [{when: always}]}\na: {script: [a]}", want: "a +"},
		"runners to take it":           {text: sast + "a: {script: [a], tags: [!reference [.far, tags]]}", want: "a +"},
		"a default":                    {text: sast + "default: {before_script: [!reference [.far, script]]}\na: {script: [a]}\nb: {script: [b], inherit: {default: false}}", want: "a !, b +"},
		"a job that is needed":         {text: sast + "a: {script: [a], needs: [sast]}\nb: {script: [b]}", want: "a ?, b +"},
		"one that may be needed":       {text: sast + "a: {script: [a], needs: [{job: sast, optional: true}]}", want: "a +"},
		"artifacts of one":             {text: sast + "a: {script: [a], dependencies: [sast]}", want: "a ?"},
		"a stage":                      {text: sast + "a: {stage: security, script: [a]}\nb: {script: [b]}", want: "a ?, b +"},
		"variables of the file":        {text: sast + "variables: !reference [.far, variables]\na: {script: [a]}", want: "a -"},
		"nothing else":                 {text: sast, want: ""},
		"without an include":           {text: "sast: {variables: {A: x}}", want: "error: has no script"},
		"a base, without an include":   {text: "a: {extends: .x, script: [a]}", want: "error: which is not there"},
		"an include that is left out":  {text: "include: [{template: X, rules: [{if: $CI_COMMIT_TAG}]}]\na: {extends: .x, script: [a]}", want: "error: which is not there"},
		"an include in doubt":          {text: "include: [{local: b.yml, rules: [{if: $GITLAB_USER_LOGIN}]}]\na: {extends: .x, script: [a]}\nb: {script: [b]}", want: "a !, b +"},
		"needs of one that cannot":     {text: sast + "a: {script: [a], needs: [sast]}\nsast: {stage: test}", want: "sast !, a +"}, // and sast did not run
		"a trigger":                    {text: "a: {trigger: {include: x.yml}}\nb: {script: [b]}", want: "a !, b +"},
		"steps":                        {text: "a: {run: [{name: x, script: x}]}\nb: {script: [b]}", want: "a !, b +"},
		"a bridge":                     {text: "a: {needs: {pipeline: g/p}}\nb: {script: [b]}", want: "a !, b +"},
		"a trigger that is left out":   {text: "a: {trigger: x, rules: [{if: $NONE}]}\nb: {script: [b], needs: [{job: a, optional: true}]}", want: "a !, b +"},
	})
	p, err := decision{text: sast + "include: [{template: A}, {remote: 'https://x/b.yml'}]\na: {extends: .x}"}.read(t)
	if err != nil || p.Jobs[0].Why != "a extends .x, which is not here: template A and other includes are not fetched" {
		t.Errorf("it says %q (%v)", p.Jobs[0].Why, err)
	}
}

func TestIncludes(t *testing.T) {
	files := map[string]string{"ci/a.yml": "a: {script: [a]}", "ci/b.yml": "b: {script: [b]}", "ci/main.yml": "m: {script: [m]}"}
	include := func(text string) string { return "include: " + text + "\nz: {script: [z]}\n" }
	testDecisions(t, map[string]decision{
		"a rule that holds":        {files: files, text: include("[{local: ci/a.yml, rules: [{if: $CI_COMMIT_BRANCH}]}]"), want: "a +, z +"},
		"one that does not":        {files: files, text: include("[{local: ci/a.yml, rules: [{if: $CI_COMMIT_TAG}]}]"), want: "z +"},
		"never":                    {files: files, text: include("[{local: ci/a.yml, rules: [{if: $CI_COMMIT_BRANCH, when: never}, {when: always}]}]"), want: "z +"},
		"a file that is there":     {files: files, text: include("[{local: ci/a.yml, rules: [{exists: [ci/b.yml]}]}]"), want: "a +, z +"},
		"a file that is not":       {files: files, text: include("[{local: ci/a.yml, rules: [{exists: [ci/c.yml]}]}]"), want: "z +"},
		"changes":                  {files: files, text: include("[{local: ci/a.yml, rules: [{changes: [x]}]}]"), want: "z +", input: on("main")},
		"variables of the file":    {files: files, text: "variables: {FLAG: x}\n" + include("[{local: ci/a.yml, rules: [{if: $FLAG}]}]"), want: "z +"}, // they are not known yet
		"a variable that is given": {files: files, text: include("[{local: ci/a.yml, rules: [{if: $FLAG}]}]"), want: "a +, z +", input: &Input{Given: []Variable{{Key: "FLAG", Value: "x"}}}},
		"a condition that is none": {files: files, text: include("[{local: ci/a.yml, rules: [{if: FLAG}]}]"), want: "error: invalid expression"},
		"a variable in the path":   {files: files, text: include("[{local: 'ci/$CI_COMMIT_BRANCH.yml'}]"), want: "m +, z +"},
		"a pattern":                {files: files, text: include("[{local: 'ci/*.yml'}]"), want: "a +, b +, m +, z +"},
		"what is in what is in":    {files: map[string]string{"x.yml": "include: y.yml\nx: {script: [x]}", "y.yml": "y: {script: [y]}"}, text: include("[x.yml]"), want: "y +, x +, z +"},
		"one over the other":       {files: map[string]string{"x.yml": "z: {only: [tags], script: [x]}"}, text: include("[x.yml]"), want: "z -"},
	})
}

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
