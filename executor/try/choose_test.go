package try

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/pipeline"
)

func TestTheListSaysWhatRunsAndWhatCannot(t *testing.T) {
	p := pipeline.Pipeline{Stages: []string{"build"}, Warnings: []string{"w"}, Jobs: []pipeline.Job{
		{Name: "a", Stage: "build", When: "on_success", Image: pipeline.Image{Name: "alpine"}, Services: []pipeline.Image{{Name: "docker:dind"}}, Tags: []string{"x"}},
		{Name: "b: [1]", Of: "b", Stage: "build", When: "on_success", Needs: []pipeline.Need{{Job: "a"}}},
		{Name: "c", Stage: "build", When: "never", Maybe: true, Why: "who knows", Environment: &pipeline.Environment{Name: "prod"}},
		{Name: "d", Stage: "build", When: "never", Cannot: true, Maybe: true, Why: "x.yml is not fetched"},
	}}
	var text, out strings.Builder
	if err := listJobs(&text, p); err != nil {
		t.Fatal(err)
	}
	const want = "JOB      STAGE   WHEN\na        build   on_success\nb: [1]   build   on_success\nc        build   never: who knows\nd        build   not runnable: x.yml is not fetched\n"
	if text.String() != want {
		t.Errorf("%s, want\n%s", text.String(), want)
	}
	if err := listJSON(&out, p); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Stages, Warnings []string
		Jobs             []map[string]any
	}
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil || len(got.Jobs) != 4 || len(got.Warnings) != 1 || len(got.Stages) != 1 {
		t.Fatalf("%v: %s", err, out.String())
	}
	for i, want := range []string{"true true ", "true true ", "true false who knows", "false false x.yml is not fetched"} {
		j := got.Jobs[i]
		why, _ := j["why"].(string)
		runnable, _ := json.Marshal(j["runnable"])
		known, _ := json.Marshal(j["known"])
		if text := string(runnable) + " " + string(known) + " " + why; text != want {
			t.Errorf("%s: %s, want %s", j["name"], text, want)
		}
	}
	if got.Jobs[0]["image"] != "alpine" || got.Jobs[2]["environment"] != "prod" {
		t.Errorf("%v", got.Jobs)
	}
	if names := strings.Join(namesOf(p), ","); names != "a,b,b: [1],c,d" {
		t.Errorf("names are %s", names)
	}
}

func TestFoldersOfJobs(t *testing.T) {
	for job, want := range map[string]string{
		"build": "build", "build: [amd64, x]": "build-amd64-x", "a/b": "a-b", "..": "job", "../../x": "x", "": "job", ".git": "git",
		"Bau für ü": "Bau-für-ü", "a\x00b": "a-b", strings.Repeat("ü", 150): strings.Repeat("ü", 100),
	} {
		if got := folderOf(job); got != want {
			t.Errorf("%q: %q, want %q", job, got, want)
		}
	}
	dir := t.TempDir()
	var f folder
	if err := f.open(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "mine")} {
		if err := (&folder{}).open(path); err == nil {
			t.Errorf("%s is taken", path)
		}
	}
	if err := (&folder{}).open(""); err != nil {
		t.Error(err)
	}
}

// A text from outside any repository replaces the pipeline's file. Its includes come from
// the tree.
func TestAPipelineFromOutsideTheRepository(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".gitlab-ci.yml": "old: {script: [a]}", "b.yml": "b: {script: [b]}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, c := range map[string]struct {
		text []byte
		want string
	}{"a text": {[]byte("include: b.yml\nnew: {script: [n]}"), "b new"}, "none": {nil, "old"}} {
		tree := source{name: defaultFile, text: c.text}.over(root.FS())
		p, err := pipeline.Read(t.Context(), tree, defaultFile, pipeline.Input{})
		var got []string
		for _, j := range p.Jobs {
			got = append(got, j.Name)
		}
		if text := strings.Join(got, " "); text != c.want || err != nil {
			t.Errorf("%s: %s, want %s (%v)", name, text, c.want, err)
		}
		if _, err := fs.Stat(tree, "../x"); err == nil {
			t.Error("it leads out of the tree")
		}
	}
}
