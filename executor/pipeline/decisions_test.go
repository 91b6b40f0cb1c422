package pipeline

import (
	"strings"
	"testing"
	"testing/fstest"
)

// pushed is the input for a push to a branch, as from the command.
func pushed(branch string) Input {
	return Input{Predefined: []Variable{
		{Key: "CI_PIPELINE_SOURCE", Value: "push"},
		{Key: "CI_COMMIT_BRANCH", Value: branch},
		{Key: "CI_COMMIT_REF_NAME", Value: branch},
		{Key: "CI_DEFAULT_BRANCH", Value: "main"},
		{Key: "CI_PROJECT_PATH", Value: "group/app"},
	}}
}

// decided lists the jobs with their time to run, in short. - stands for a job that does not
// run, ? for a job whose run is not known, and ! for a job that cannot run.
func decided(p Pipeline) string {
	var out []string
	for _, j := range p.Jobs {
		when := j.When
		switch {
		case j.Cannot:
			when = "!"
		case j.Maybe:
			when = "?"
		case when == "never":
			when = "-"
		case when == "on_success":
			when = "+"
		}
		if (when == "-" || when == "?" || when == "!") != (j.Why != "") || when != "-" && j.When == "never" && !j.Maybe && !j.Cannot {
			when += " but why: " + j.Why
		}
		out = append(out, j.Name+" "+when)
	}
	return strings.Join(out, ", ")
}

// decision is a pipeline and the expected decisions about its jobs.
type decision struct {
	text, want string
	input      *Input
	files      map[string]string
}

func (d decision) read(t *testing.T) (Pipeline, error) {
	t.Helper()
	tree := fstest.MapFS{".gitlab-ci.yml": {Data: []byte(d.text)}}
	for name, text := range d.files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	in := pushed("main")
	if d.input != nil {
		in = *d.input
	}
	return Read(t.Context(), tree, ".gitlab-ci.yml", in)
}

func testDecisions(t *testing.T, all map[string]decision) {
	t.Helper()
	for name, d := range all {
		t.Run(name, func(t *testing.T) {
			p, err := d.read(t)
			got := decided(p)
			if err != nil {
				got = "error: " + err.Error()
			}
			if fault, of := strings.CutPrefix(d.want, "error: "); of && err != nil && strings.Contains(err.Error(), fault) {
				return
			}
			if got != d.want {
				t.Errorf("%s\nwant %s\nwarnings %q", got, d.want, p.Warnings)
			}
		})
	}
}

func on(branch string, more ...Variable) *Input {
	in := pushed(branch)
	in.Predefined = append(in.Predefined, more...)
	return &in
}

func TestTheWorkflowDecidesOnAll(t *testing.T) {
	const jobs = "\na: {script: [a]}\nb: {script: [b], rules: [{if: '$TARGET == \"prod\"'}]}\n"
	const usual = `
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS
      when: never
    - if: $CI_COMMIT_BRANCH
`
	testDecisions(t, map[string]decision{
		"no rules":                  {text: "workflow: {name: x, auto_cancel: {on_new_commit: none}}" + jobs, want: "a +, b -"},
		"branches before requests":  {text: usual + jobs, want: "a +, b -"},
		"tags alone":                {text: "workflow: {rules: [{if: $CI_COMMIT_TAG}]}" + jobs, want: "a -, b -"},
		"merge requests alone":      {text: "workflow: {rules: [{if: '$CI_PIPELINE_SOURCE == \"merge_request_event\"'}]}" + jobs, want: "a -, b -"},
		"never, then always":        {text: "workflow: {rules: [{if: $CI_COMMIT_BRANCH, when: never}, {when: always}]}" + jobs, want: "a -, b -"},
		"never for tags":            {text: "workflow: {rules: [{if: $CI_COMMIT_TAG, when: never}, {when: always}]}" + jobs, want: "a +, b -"},
		"variables":                 {text: "workflow: {rules: [{if: $CI_COMMIT_TAG}, {if: $CI_COMMIT_BRANCH, variables: {TARGET: prod}}]}" + jobs, want: "a +, b +"},
		"over those of the file":    {text: "variables: {TARGET: test}\nworkflow: {rules: [{variables: {TARGET: prod}}]}" + jobs, want: "a +, b +"},
		"variables of the file":     {text: "variables: {DO: 'yes'}\nworkflow: {rules: [{if: '$DO == \"yes\"'}]}" + jobs, want: "a +, b -"},
		"a variable of GitLab's":    {text: "workflow: {rules: [{if: $GITLAB_USER_LOGIN}]}" + jobs, want: "a -, b -"},
		"never for one of them":     {text: "workflow: {rules: [{if: $CI_DEPLOY_FREEZE, when: never}, {when: always}]}" + jobs, want: "a -, b -"},
		"a file that is there":      {text: "workflow: {rules: [{exists: [Dockerfile]}]}" + jobs, want: "a +, b -", files: map[string]string{"Dockerfile": ""}},
		"a file that is not":        {text: "workflow: {rules: [{exists: [Dockerfile]}]}" + jobs, want: "a -, b -"},
		"a condition that is none":  {text: "workflow: {rules: [{if: '$A === 1'}]}" + jobs, want: "error: invalid expression"},
		"one that is never reached": {text: "workflow: {rules: [{when: always}, {if: '$A ='}]}" + jobs, want: "error: invalid expression"},
		"needs do not matter then":  {text: "workflow: {rules: [{if: $CI_COMMIT_TAG}]}\na: {script: [a], rules: [{if: $NONE}]}\nb: {script: [b], needs: [a]}", want: "a -, b -"},
		"variables not taken over":  {text: "workflow: {rules: [{variables: {TARGET: prod}}]}\nb: {script: [b], inherit: {variables: false}, rules: [{if: '$TARGET == \"prod\"'}]}", want: "b -"},
	})
	p, err := decision{text: "workflow: {rules: [{if: $CI_COMMIT_TAG}]}" + jobs}.read(t)
	if err != nil || strings.Join(p.Warnings, "\n") != "workflow:rules make no pipeline for this push" || p.Jobs[0].Why != p.Warnings[0] {
		t.Errorf("it says %q, the job %q (%v)", p.Warnings, p.Jobs[0].Why, err)
	}
}

func TestRulesOfJobs(t *testing.T) {
	job := func(rules string) string { return "a: {script: [a], rules: [" + rules + "]}\n" }
	changed := func(paths ...string) *Input {
		in := pushed("main")
		in.Changed = func(ref string) ([]string, bool) { return append([]string{}, paths...), ref == "" || ref == "main" }
		return &in
	}
	tree := map[string]string{"Dockerfile": "", "src/a.go": "", "src/deep/b.py": "", ".hidden/c": ""}
	testDecisions(t, map[string]decision{
		"none":                           {text: "a: {script: [a], rules: []}", want: "a -"},
		"always":                         {text: job("{when: always}"), want: "a always"},
		"never":                          {text: job("{when: never}"), want: "a -"},
		"the first that holds":           {text: job("{if: $NONE}, {if: $CI_COMMIT_BRANCH, when: manual}, {when: always}"), want: "a manual"},
		"all parts of a rule":            {text: job("{if: $CI_COMMIT_BRANCH, exists: [none]}"), want: "a -"},
		"when of the job":                {text: "a: {script: [a], when: manual, rules: [{if: $CI_COMMIT_BRANCH}]}", want: "a manual"},
		"delayed":                        {text: job("{when: delayed, start_in: 5 minutes}"), want: "a delayed"},
		"never, without rules":           {text: "a: {script: [a], when: never}", want: "error: when: never is for rules"},
		"a variable of the project":      {text: job("{if: $DEPLOY}"), want: "a -"},
		"one of GitLab's":                {text: job("{if: $GITLAB_USER_LOGIN}"), want: "a ?"},
		"one of GitLab's that cannot be": {text: job("{if: '$GITLAB_USER_LOGIN && $NONE'}"), want: "a -"},
		"never by one of GitLab's":       {text: job("{if: $CI_DEPLOY_FREEZE, when: never}, {when: on_success}"), want: "a ?"},
		"never in any case":              {text: job("{if: $CI_DEPLOY_FREEZE, when: never}, {if: $NONE}"), want: "a -"},
		"a condition that is none":       {text: job("{if: 'BRANCH == main'}"), want: "error: invalid expression"},
		"one that is never reached":      {text: job("{when: always}, {if: '$A =~ /(/'}"), want: "error: invalid expression"},
		"rules in rules":                 {text: ".r: [{if: $NONE}]\na: {script: [a], rules: [!reference [.r], {when: always}]}\n", want: "a always"},
		"the variables of a job":         {text: "a: {script: [a], variables: {A: x}, rules: [{if: '$A == \"x\"'}]}", want: "a +"},
		"the name of the job":            {text: job("{if: '$CI_JOB_NAME == \"a\"'}"), want: "a +"},

		"a file that is there":          {text: job("{exists: [Dockerfile]}"), want: "a +", files: tree},
		"one that is not":               {text: job("{exists: [Makefile]}"), want: "a -", files: tree},
		"one of several":                {text: job("{exists: [Makefile, Dockerfile]}"), want: "a +", files: tree},
		"a folder is no file":           {text: job("{exists: [src]}, {exists: [src/]}"), want: "a -", files: tree},
		"anywhere":                      {text: job("{exists: ['**/*.py']}"), want: "a +", files: tree},
		"in a folder, not below":        {text: job("{exists: ['src/*.py']}"), want: "a -", files: tree},
		"at the top alone":              {text: job("{exists: ['*.go']}"), want: "a -", files: tree},
		"alternatives":                  {text: job("{exists: ['src/**/*.{rb,py}']}"), want: "a +", files: tree},
		"a hidden folder":               {text: job("{exists: ['**/c']}"), want: "a +", files: tree},
		"a variable in the name":        {text: "variables: {DIR: src}\n" + job("{exists: ['$DIR/a.go']}"), want: "a +", files: tree},
		"paths":                         {text: job("{exists: {paths: [Dockerfile]}}"), want: "a +", files: tree},
		"another project's":             {text: job("{exists: {paths: [Dockerfile], project: a/b}}"), want: "a ?", files: tree},
		"not there, so never":           {text: job("{exists: [Makefile], when: never}, {when: always}"), want: "a always", files: tree},
		"what git lists":                {text: job("{exists: [Dockerfile]}"), want: "a -", files: tree, input: &Input{Files: func() ([]string, error) { return []string{"x"}, nil }}},
		"changes that nobody knows":     {text: job("{changes: [Dockerfile]}"), want: "a ?"},
		"changes of nothing":            {text: job("{changes: [Dockerfile]}"), want: "a -", input: changed()},
		"a new branch":                  {text: job("{changes: [Dockerfile]}"), want: "a +", input: &Input{Changed: func(string) ([]string, bool) { return nil, true }}},
		"a tag is new, too":             {text: job("{changes: [Dockerfile]}"), want: "a +", input: on("", Variable{Key: "CI_COMMIT_TAG", Value: "v1"})},
		"a change":                      {text: job("{changes: [Dockerfile]}"), want: "a +", input: changed("x", "Dockerfile")},
		"a change below":                {text: job("{changes: ['src/**/*']}"), want: "a +", input: changed("src/a/b")},
		"two stars at the end":          {text: job("{changes: ['src/**']}"), want: "a -", input: changed("src/a/b")},
		"a change elsewhere":            {text: job("{changes: ['src/**/*']}"), want: "a -", input: changed("doc/a")},
		"changes since a branch":        {text: job("{changes: {paths: ['src/*'], compare_to: $CI_DEFAULT_BRANCH}}"), want: "a +", input: changed("src/a")},
		"changes since nobody knows":    {text: job("{changes: {paths: ['src/*'], compare_to: refs/heads/none}}"), want: "a ?", input: changed("src/a")},
		"changes, and no other reason":  {text: job("{if: $NONE, changes: [x]}"), want: "a -"},
		"changes or another reason":     {text: job("{changes: [x]}, {when: always}"), want: "a ?"},
		"changes or the like":           {text: job("{changes: [x]}, {if: $GITLAB_USER_LOGIN}, {if: $CI_COMMIT_BRANCH}"), want: "a +"},
		"changes or by hand":            {text: job("{changes: [x]}, {if: $CI_COMMIT_BRANCH, when: manual}"), want: "a ?"},
		"changes with a variable":       {text: job("{changes: [x], variables: {A: x}}, {if: $CI_COMMIT_BRANCH}"), want: "a ?"},
		"changes, or in no case":        {text: job("{changes: [x], when: never}, {if: $CI_COMMIT_BRANCH, when: never}, {when: always}"), want: "a -"},
		"changes, or not at all":        {text: job("{changes: [x]}, {if: $CI_COMMIT_BRANCH, when: never}"), want: "a ?"},
		"another reason before changes": {text: job("{when: always}, {changes: [x]}"), want: "a always"},
		"more patterns than GitLab has": {text: job("{exists: [" + strings.Repeat("a, ", 51) + "]}"), want: "error: more than 50 patterns"},
		"needs one of another project":  {text: job("{if: $DEPLOY}") + "b: {script: [b], needs: [a]}\n", want: "a -, b ?"},
		"needs one that is never in":    {text: job("{if: '$DEPLOY && $CI_COMMIT_TAG'}") + "b: {script: [b], needs: [a]}\n", want: "error: job b needs a"},
		"depends on what is not needed": {text: "a: {script: [a]}\nb: {script: [b]}\nc: {stage: deploy, script: [c], needs: [a], dependencies: [b]}", want: "error: which is not among its needs"},
		"needs that a rule adds":        {text: "b: {script: [b]}\n" + job("{needs: [c]}"), want: "error: job a needs c"},
	})
}

func TestWhatADecisionDependsOnIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"{if: $SKIP, when: never}, {when: on_success}":               "a: that it runs depends on $SKIP not being set: --variable sets what the project has",
		"{if: '$FREEZE != \"on\" && $CI_COMMIT_BRANCH == \"main\"'}": "a: that it runs depends on $FREEZE not being set: --variable sets what the project has",
		"{if: '$CI_COMMIT_BRANCH == \"main\" || $FORCE'}":            "",
		"{if: $DEPLOY}": "",
		"{if: $SKIP, when: never}, {when: manual}":                        "",
		"{if: '$B == null && $A == null'}":                                "a: that it runs depends on $A, $B not being set: --variable sets what the project has",
		"{if: '$CI_MERGE_REQUEST_IID == null && $CI_COMMIT_TAG == null'}": "",
	} {
		p, err := decision{text: "a: {script: [a], rules: [" + text + "]}"}.read(t)
		if got := strings.Join(p.Warnings, "\n"); got != want || err != nil {
			t.Errorf("%s: it says %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestWhyAJobIsLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		"rules: [{if: $DEPLOY}]":                                                 "its rules leave it out, as $DEPLOY is not set here",
		"rules: [{if: $B}, {if: $A && $CI_COMMIT_BRANCH}]":                       "its rules leave it out, as $A and $B are not set here",
		"rules: [{if: $CI_COMMIT_TAG}]":                                          "its rules leave it out",
		"rules: [{if: $CI_COMMIT_TAG && $DEPLOY}]":                               "its rules leave it out",
		"rules: [{if: $A, when: never}, {if: $CI_COMMIT_TAG}]":                   "its rules leave it out",
		"rules: [{if: $A}, {if: $CI_COMMIT_BRANCH, when: never}]":                "its rules leave it out, as $A is not set here",
		"rules: [{if: '$A == null', when: never}, {when: always}]":               "its rules leave it out, as $A is not set here",
		"rules: [{changes: [x]}]":                                                "whether it runs is not known: changes: what a push would change is not known without a remote origin",
		"rules: [{if: $CI_DEPLOY_FREEZE, when: never}, {when: always}]":          "whether it runs is not known: $CI_DEPLOY_FREEZE is known to GitLab alone",
		"only: [tags, /^v/]":                                                     "it is left out by only: tags, /^v/",
		"only: {refs: [tags], variables: [$A]}":                                  "it is left out by only: tags, variables $A",
		"only: {refs: [main], variables: [$A, $B]}":                              "it is left out by only: main, variables $A, variables $B, as $A and $B are not set here",
		"except: [main]":                                                         "it is left out by except: main",
		"only: {variables: [$A, $CI_COMMIT_BRANCH]}, except: {variables: [$CI]}": "it is left out by except: variables $CI",
	} {
		in := on("main", Variable{Key: "CI", Value: "true"})
		p, err := decision{text: "a: {script: [a], " + text + "}", input: in}.read(t)
		if err != nil || p.Jobs[0].Why != want {
			t.Errorf("%s: %q (%v), want %q", text, p.Jobs[0].Why, err, want)
		}
	}
}
