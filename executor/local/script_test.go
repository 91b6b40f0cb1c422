package local

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// releases are the Runner's releases whose shapes are tested.
var releases = []string{"16.11.0", "17.11.0", "18.6.6", "18.11.0", "19.3.0"}

// repository makes a git repository with two commits; the results are its path and the id
// of the last.
func repository(t *testing.T) (path, sha string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "origin")
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = path
		cmd.Env = append(
			os.Environ(), "HOME="+t.TempDir(),
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
		)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	git("init", "--quiet", "--initial-branch=main")
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(filepath.Join(path, "README"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		git("add", ".")
		git("commit", "--quiet", "-m", text)
	}
	return path, git("rev-parse", "HEAD")
}

// realRig is a rig whose driver runs every script with bash on this machine.
func realRig(t *testing.T) (g *rig, p Payload, root string) {
	t.Helper()
	root = t.TempDir()
	text, err := json.Marshal(map[string]string{"builds_dir": root + "/builds", "cache_dir": root + "/cache"})
	if err != nil {
		t.Fatal(err)
	}
	plan := map[string][]act{"config": {{Stdout: string(text)}}}
	for stage := range headlines {
		plan[stage] = []act{{Script: true}}
	}
	for _, stage := range []string{"build_script", "step_release"} {
		plan[stage] = []act{{Script: true}}
	}
	p = small()
	var origin string
	origin, p.GitInfo.SHA = repository(t)
	p.GitInfo.RepoURL = "file://" + origin
	p.GitInfo.Refspecs = []string{"+refs/heads/main:refs/remotes/origin/main"}
	return newRig(t, plan), p, root
}

func TestScriptsRunForReal(t *testing.T) {
	for _, version := range releases {
		t.Run(version, func(t *testing.T) {
			g, p, root := realRig(t)
			g.Version = version
			p.GitInfo.Depth = 1
			p.Variables = []Variable{
				{Key: "ODD", Value: everyByte(), Raw: true},
				{Key: "NOTES", Value: "it's\n$HOME\n", File: true, Raw: true},
			}
			p.Steps = []Step{
				{Name: "script", Script: []string{
					"cat README", "git log --oneline | wc -l", `printf '%s' "$ODD" > odd`, "cp $NOTES notes",
					"echo FROM_SCRIPT=yes >> $GITLAB_ENV", "if true; then\n  echo multi\nfi", "cat", "exit 42",
				}},
				{Name: "after_script", Script: []string{"echo after $CI_JOB_STATUS $FROM_SCRIPT"}},
			}
			p.Cache = []Cache{{Key: "k", Paths: []string{"odd"}, When: "always"}}
			p.Artifacts = []Artifact{{Paths: []string{"odd"}, When: "always"}}
			g.URL = "https://git.example.org"
			code := 42
			if version == "16.11.0" {
				code = 1 // the script does not ask for another
			}
			g.expect(g.run(p), Failed, code, "exit status "+strconv.Itoa(code))
			inOrder(t, g.log.String(),
				"Running on", "Fetching changes with git depth set to 1", "Created fresh repository",
				"Checking out "+p.GitInfo.SHA[:8]+" as detached HEAD (ref is main)",
				"Missing gitlab-runner. Extracting cache is disabled.",
				boldGreen+"$ cat README"+plain, "second", "1\n", "$ if true; then # collapsed multi-line command", "multi",
				"Running after script...", "after failed yes",
				"Missing gitlab-runner. Creating cache is disabled.", "Missing gitlab-runner. Uploading artifacts is disabled.",
				"ERROR: Job failed: exit status "+strconv.Itoa(code))

			project := filepath.Join(root, "builds", strings.TrimPrefix(g.last("cleanup").env("CUSTOM_ENV_CI_PROJECT_DIR"), root+"/builds"))
			for file, want := range map[string]string{"odd": everyByte(), "notes": "it's\n$HOME\n"} {
				got, err := os.ReadFile(filepath.Join(project, file))
				if err != nil || string(got) != want {
					t.Errorf("%s is %q, %v", file, got, err)
				}
			}
			gone := []string{project + ".tmp/NOTES", project + ".tmp/gitlab_runner_env", project + "/.git/config"}
			if version == "16.11.0" {
				gone = gone[:1]
			}
			for _, file := range gone {
				if _, err := os.Stat(file); !os.IsNotExist(err) {
					t.Errorf("%s is left: %v", file, err)
				}
			}
		})
	}
}

func TestASecondJobFetchesIntoTheFirstsTree(t *testing.T) {
	g, p, _ := realRig(t)
	p.Steps = []Step{{Name: "script", Script: []string{"test ! -e untracked", "touch untracked", "git status"}}}
	g.expect(g.run(p), Success, 0, "")
	g.expect(g.run(p), Success, 0, "")
	p.Variables = []Variable{{Key: "GIT_STRATEGY", Value: "none"}}
	g.expect(g.run(p), Failed, 1, "exit status 1")
	inOrder(t, g.log.String(), "Created fresh repository", "Skipping Git repository setup", "Skipping Git checkout")
}

func TestEveryGitStrategyLeavesItsTree(t *testing.T) {
	for strategy, check := range map[string]string{
		"clone": "test -e README", "fetch": "test -e README", "none": "test ! -e README", "empty": "test ! -e README",
	} {
		t.Run(strategy, func(t *testing.T) {
			g, p, _ := realRig(t)
			p.Variables = []Variable{{Key: "GIT_STRATEGY", Value: strategy}}
			p.Steps = []Step{{Name: "script", Script: []string{check}}}
			g.expect(g.run(p), Success, 0, "")
		})
	}
}

func TestTheHelpersToolIsCalledWhereItIs(t *testing.T) {
	for version, want := range map[string][]string{
		"18.6.6": {
			"called artifacts-downloader --url https://git.example.org --token token-of-job-7300 --id 7300",
			"called cache-archiver --file ../../../cache/project-15/deps/cache.zip --timeout 10 --path vendor/ --env-file",
			"called artifacts-uploader --url https://git.example.org --token [MASKED] --id 7301 --path out.txt --name logs " +
				"--expire-in 1 day --artifact-format zip --artifact-type archive",
		},
		"19.3.0": {
			"called cache-archiver --file ../../../cache/project-15/deps/cache.zip --alternate-file ../../../cache/project-15/",
			"--id 7301 --timeout 1h0m0s --response-header-timeout 10m0s --path out.txt",
		},
	} {
		t.Run(version, func(t *testing.T) {
			g, p, root := realRig(t)
			g.Version = version
			tool := filepath.Join(root, "bin", "gitlab-runner")
			if err := os.MkdirAll(filepath.Dir(tool), 0o700); err != nil {
				t.Fatal(err)
			}
			text := "#!/bin/sh\necho called \"$@\"\ntest \"$1\" != cache-extractor\n"
			if err := os.WriteFile(tool, []byte(text), 0o700); err != nil {
				t.Fatal(err)
			}
			g.Env = append(g.Env, "PATH="+filepath.Dir(tool)+":"+os.Getenv("PATH"))
			f := fixture(t)
			f.GitInfo, f.Steps[1].Script = p.GitInfo, []string{"echo releasing $IMAGE_TAG"}
			f.Variables = append(f.Variables, Variable{Key: "GIT_CLEAN_FLAGS", Value: "none"})
			f.Cache[0].FallbackKeys = []string{"other"}
			g.expect(g.run(f), Success, 0, "")
			log := g.log.String()
			extract := strings.ReplaceAll("called cache-extractor --file ../KEY --timeout 10\n\x1b[0;33mFailed to extract cache", "../KEY", "../../cache/project-15/deps/cache.zip")
			inOrder(t, log, extract, "Checking cache for other...", "releasing registry.example.org/kitchen/kettle:main")
			for _, w := range want {
				w = strings.ReplaceAll(w, "../../../cache", "../../cache")
				if !strings.Contains(log, w) {
					t.Errorf("%q is missing in:\n%s", w, log)
				}
			}
		})
	}
}

func TestCredentialsForGitStayOutOfTheTree(t *testing.T) {
	b := newBuild((&Runner{}).withDefaults(), fixture(t), &Job{})
	b.setDirs("/builds", "/cache")
	w := &scriptWriter{build: b, temp: "/builds/kitchen/kettle.tmp"}
	if err := w.getSources(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(w.body.String()) {
		secret := strings.Contains(line, "token-of-job-7301")
		if secret && !strings.Contains(line, "--file /builds/kitchen/kettle.tmp/"+gitConfigFile) {
			t.Errorf("the token is in %s", line)
		}
	}
	inOrder(t, w.body.String(), "insteadOf", "git remote add origin $'https://git.example.org/kitchen/kettle.git'")

	b.payload.GitInfo.RepoURL = "https://u:token-of-job-7301@h/%zz"
	if err := w.getSources(); err == nil || strings.Contains(err.Error(), "token-of-job") {
		t.Errorf("the error is %v", err)
	}
}
