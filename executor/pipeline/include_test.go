package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gitlab-dind-executor/fault"
)

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

func TestPatternsOfIncludes(t *testing.T) {
	tree := fstest.MapFS{}
	for _, name := range []string{"a.yml", "ci/a.yml", "ci/b.yaml", "ci/sub/b.yml", "ci/sub/deep/c.yml", "ci/[x].yml", "cix/d.yml", ".git/e.yml"} {
		tree[name] = &fstest.MapFile{}
	}
	for pattern, want := range map[string]string{
		"ci/*.yml":        "ci/[x].yml ci/a.yml",
		"ci/**.yml":       "ci/[x].yml ci/a.yml ci/sub/b.yml ci/sub/deep/c.yml",
		"ci/**/*.yml":     "ci/sub/b.yml ci/sub/deep/c.yml",
		"ci/*/*.yml":      "ci/sub/b.yml",
		"ci/**":           "ci/[x].yml ci/a.yml ci/b.yaml ci/sub/b.yml ci/sub/deep/c.yml",
		"ci/[x]*.yml":     "ci/[x].yml",
		"ci/?.yml*":       "",
		"ci/{a,b}.y*":     "",
		"*.yml":           "a.yml",
		"ci*/d.yml":       "cix/d.yml",
		"**e.yml":         "",
		"none/*.yml":      "",
		"ci/a.yml/**.yml": "",
	} {
		r := &reader{ctx: t.Context(), files: tree}
		got, err := r.matching(&node{}, pattern)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s matches %q (%v), want %q", pattern, got, err, want)
		}
	}
}

// A workspace's packages link each other.
func TestIncludesFollowNoLinks(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 {
		of := filepath.Join(dir, fmt.Sprintf("p%d", i))
		if err := os.Mkdir(of, 0o755); err != nil {
			t.Fatal(err)
		}
		for j := range 12 {
			if err := os.Symlink(filepath.Join("..", fmt.Sprintf("p%d", j)), filepath.Join(of, fmt.Sprintf("l%d", j))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "p1", "ci.yml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r := &reader{ctx: ctx, files: root.FS()}
	got, err := r.matching(&node{}, "**/ci.yml")
	if err != nil || !slices.Equal(got, []string{"p1/ci.yml"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestALookThroughTheTreeEnds(t *testing.T) {
	tree := fstest.MapFS{".gitlab-ci.yml": {Data: []byte("include: '**.yml'\na: {script: [a]}\n")}}
	for i := range maxEntries / 1000 {
		tree[fmt.Sprintf("%d/a", i)] = &fstest.MapFile{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, tree, ".gitlab-ci.yml", input); !errors.Is(err, context.Canceled) || fault.IsOfJob(err) {
		t.Errorf("interrupted: %v", err)
	}
	r := &reader{ctx: t.Context(), files: crowded{tree}}
	if _, err := r.matching(&node{}, "*.yml"); err != nil {
		t.Errorf("of the top folder alone: %v", err)
	}
	_, err := Read(t.Context(), crowded{tree}, ".gitlab-ci.yml", input)
	if !fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "folder") {
		t.Errorf("%v (hint: %s)", err, fault.HintOf(err))
	}
}

// crowded is a tree with more files than anybody has.
type crowded struct{ fs.FS }

func (c crowded) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(c.FS, name)
	for name != "." && len(list) <= 1000 {
		list = append(list, list[0])
	}
	return list, err
}

// A pipeline may be a stranger's, and its includes end up in its jobs.
func TestIncludesAreFilesOfTheRepository(t *testing.T) {
	tree := fstest.MapFS{
		"secret.yml": {Data: []byte("variables: {PASSWORD: x}")}, ".git/x.yml": {Data: []byte("variables: {PASSWORD: x}")},
		"link.yml": {Data: []byte("secret.yml"), Mode: fs.ModeSymlink | 0o777}, "ok.yml": {Data: []byte("b: {script: [b]}")},
	}
	in := input
	in.Files = func() ([]string, error) { return []string{"a", "link.yml", "ok.yml"}, nil }
	for include, want := range map[string]string{
		"ok.yml": "", "/ok.yml": "", "'*.yml'": "", "secret.yml": "none of the repository's files", ".git/x.yml": "none of the repository's files",
		"link.yml": "a link", "none.yml": "not exist", "'s*.yml'": "",
	} {
		tree["a"] = &fstest.MapFile{Data: []byte("include: " + include + "\na: {script: [a]}\n")}
		p, err := Read(t.Context(), tree, "a", in)
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) || want == "" && (err != nil || len(p.Jobs[0].Variables) > 0) {
			t.Errorf("%s: %v, want %q", include, err, want)
		}
	}
}
