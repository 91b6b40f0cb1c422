package pipeline

import "testing"

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
