package pipeline

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"gitlab-dind-executor/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var input = Input{
	Predefined: []Variable{{Key: "CI_COMMIT_BRANCH", Value: "main"}, {Key: "CI_DEFAULT_BRANCH", Value: "main"}},
	Given:      []Variable{{Key: "GIVEN", Value: "yes"}},
}

// outcome is the text of a golden file.
func outcome(p Pipeline, err error) string {
	var b strings.Builder
	for _, w := range p.Warnings {
		fmt.Fprintln(&b, "warning: "+w)
	}
	if err != nil {
		fmt.Fprintf(&b, "error: %v\nhint: %s\n", err, fault.HintOf(err))
		return b.String()
	}
	fmt.Fprintln(&b, "stages:", strings.Join(p.Stages, " "))
	for _, j := range p.Jobs {
		text, _ := json.MarshalIndent(j, "", "  ")
		fmt.Fprintf(&b, "%s\n", text)
	}
	return b.String()
}

func TestPipelines(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tree := fstest.MapFS{}
			for _, f := range archive.Files {
				tree[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			p, err := Read(t.Context(), tree, ".gitlab-ci.yml", input)
			if err != nil != strings.HasPrefix(name, "fault-") {
				t.Errorf("the error is %v", err)
			}
			if err != nil && !fault.IsOfJob(err) {
				t.Error("it is no fault of the job")
			}
			got, golden := outcome(p, err), strings.TrimSuffix(file, ".txtar")+".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestWhatIsDueDependsOnWhatBecameOfOthers(t *testing.T) {
	p := Pipeline{Stages: []string{"one", "two"}, Jobs: []Job{{Name: "a", Stage: "one"}, {Name: "b", Stage: "one"}, {Name: "never", Stage: "one", When: "never"}}}
	after := func(a, b Outcome) map[string]Outcome { return map[string]Outcome{"a": a, "b": b, "never": Left} }
	for name, c := range map[string]struct {
		job  Job
		of   map[string]Outcome
		want string
	}{
		"all is well":            {Job{When: "on_success"}, after(Succeeded, Allowed), "true"},
		"one is left out":        {Job{When: "on_success"}, after(Succeeded, Left), "true"},
		"one failed":             {Job{When: "on_success"}, after(Succeeded, Failed), "false skipped b failed"},
		"one was skipped":        {Job{When: "on_success"}, after(Skipped, Succeeded), "false skipped a was skipped"},
		"it needs the other":     {Job{When: "on_success", Needs: []Need{{Job: "a"}}}, after(Succeeded, Failed), "true"},
		"it needs one left out":  {Job{When: "on_success", Needs: []Need{{Job: "b"}, {Job: "a"}}}, after(Left, Succeeded), "false left out a, which it needs, did not run"},
		"and one that failed":    {Job{When: "on_success", Needs: []Need{{Job: "a"}, {Job: "b"}}}, after(Left, Failed), "false skipped b failed"},
		"its rules left it out":  {Job{When: "on_success", Needs: []Need{{Job: "never", Optional: true}}}, after(Failed, Failed), "true"},
		"needed, and not chosen": {Job{When: "on_success", Needs: []Need{{Job: "a"}}}, nil, "true"},
		"it needs nothing":       {Job{When: "on_success", Needs: []Need{}}, after(Failed, Failed), "true"},
		"on failure, and none":   {Job{When: "on_failure"}, after(Succeeded, Succeeded), "false left out nothing failed"},
		"on failure, and one":    {Job{When: "on_failure"}, after(Failed, Skipped), "true"},
		"always":                 {Job{When: "always"}, after(Failed, Failed), "true"},
		"manual, which may fail": {Job{When: "manual", AllowFailure: true}, after(Succeeded, Succeeded), "false left out it is manual: run it with --job"},
		"manual that blocks":     {Job{When: "manual"}, after(Succeeded, Succeeded), "false skipped it is manual: run it with --job"},
		"delayed":                {Job{When: "delayed"}, after(Succeeded, Succeeded), "false skipped it is delayed: run it with --job"},
		"never, for a reason":    {Job{When: "never", Why: "only: tags"}, after(Succeeded, Succeeded), "false left out only: tags"},
		"never":                  {Job{When: "never"}, after(Succeeded, Succeeded), "false left out its rules leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			c.job.Stage = "two"
			runs, otherwise, why := p.Due(c.job, c.of)
			if got := strings.TrimSpace(fmt.Sprint(runs, " ", otherwise, " ", why)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestArtifactsComeFromThoseThatAJobWaitsFor(t *testing.T) {
	p := Pipeline{Stages: []string{"one", "two"}, Jobs: []Job{{Name: "a", Stage: "one"}, {Name: "b", Stage: "one"}}}
	for want, j := range map[string]Job{
		"a b": {Stage: "two"},
		"b":   {Stage: "two", Needs: []Need{{Job: "a"}, {Job: "b", Artifacts: true}}},
		"a":   {Stage: "two", Dependencies: []string{"a"}, Needs: []Need{{Job: "a", Artifacts: true}, {Job: "b", Artifacts: true}}},
		"":    {Stage: "two", Dependencies: []string{}},
		" ":   {Stage: "two", Dependencies: []string{"a"}, Needs: []Need{{Job: "a"}}},
	} {
		if got := strings.Join(p.Sources(j), " "); got != strings.TrimSpace(want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(archive.Files[0].Data))
	}
	for _, s := range []string{
		"a: &a [*a]", "? [a]\n: b", "<<: 1", "a: !reference x", strings.Repeat("- ", 5000), strings.Repeat("[", 5000), "a: {b: *c}",
		"include: [{template: x}, {local: a, rules: [{if: $A}]}]\na: {extends: b, script: [!reference [c, d]], only: {refs: [/a/], variables: [$A]}}",
		"a: {script: [a], parallel: {matrix: [{A: [1, 2], B: x}]}, needs: [{job: a, parallel: {matrix: [{A: '$[[ matrix.A ]]'}]}}]}",
		"spec: {inputs: {x: {type: array, default: [1]}}}\n---\na: {script: $[[ inputs.x | truncate(1,2) ]]}",
		"workflow: {rules: [{if: '$A =~ /b{1,9}/ && ($B || null)', exists: ['**/{a,[b]}*'], changes: {paths: [x], compare_to: $A}}]}\na: {script: [a], inherit: {variables: [A]}}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Read(t.Context(), fstest.MapFS{"a": {Data: []byte(text)}}, "a", input)
		for _, j := range p.Jobs {
			if (j.Cannot || j.Maybe) && j.When != "never" || err == nil && j.When != "never" && len(j.Script) == 0 {
				t.Errorf("%+v runs", j)
			}
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("the error has more than one line: %q", err)
		}
	})
}
