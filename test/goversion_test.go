package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// An old go says of go.mod that its version is invalid, which helps nobody.
func TestMakeSaysThatGoIsTooOld(t *testing.T) {
	for answer, want := range map[string]string{
		"echo go1.19.8":       "error: go 1.19.8 is too old: go.mod asks for 1.",
		"echo go1.26rc1":      "error: go 1.26 is too old: ",
		"exit 1":              "error: go does not run\n",
		"echo go1.99.1":       "",
		"echo devel go1.99-x": "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+answer+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "../scripts/goversion")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if want == "" && (err != nil || len(out) > 0) {
			t.Errorf("%s: %v: %s", answer, err, out)
		}
		if said := string(out); want != "" && (err == nil || !strings.HasPrefix(said, want) || !strings.Contains(said, "\nhint: install Go 1.")) {
			t.Errorf("%s: %v: %s", answer, err, out)
		}
	}
}

// The look at go comes before anything is installed or built.
func TestEachTargetThatNeedsGoLooksAtItFirst(t *testing.T) {
	without := []string{"help", "install", "uninstall", "clean"} // install copies, where make build has run
	for _, target := range makeTargets(t) {
		if slices.Contains(without, target) {
			continue
		}
		out, err := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-n", "-C", "..", target).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "scripts/goversion\n") {
			t.Errorf("make %s begins with (%v)\n%s", target, err, out)
		}
	}
}
