package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stagesOf runs a helper stage's command twice on this host, and returns both outputs.
// runner is the script that replaces gitlab-runner; if empty, there is no such program.
func stagesOf(t *testing.T, runner string, check *ToolCheck) (first, second string) {
	t.Helper()
	dir := t.TempDir()
	if runner != "" {
		if err := os.WriteFile(filepath.Join(dir, "gitlab-runner"), []byte("#!/bin/sh\n"+runner+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	run := func() string {
		command := HelperStage(check)
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "TMPDIR=" + dir}
		cmd.Stdin = strings.NewReader("echo script; umask")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	return run(), run()
}

func TestAStageSaysOnceThatTheRunnersProgramDoesNotServe(t *testing.T) {
	const script = "script\n0000\n"
	check := ToolCheck{Series: "18.6", Missing: "none here\nhint: 100%", Mismatch: "it is %s\nhint: another"}
	version := func(v string) string { return "cat >/dev/null; printf 'Version:      " + v + "\\nGit revision: x\\n'" }
	for name, c := range map[string]struct {
		runner string
		check  *ToolCheck
		want   string
	}{
		"none":                               {"", &check, "none here\nhint: 100%\n"},
		"one that does not run":              {"exit 127", &check, "none here\nhint: 100%\n"},
		"the very version":                   {version("18.6.6"), &check, ""},
		"another patch":                      {version("18.6.0"), &check, ""},
		"an older one":                       {version("17.11.2"), &check, "it is 17.11.2\nhint: another\n"},
		"a series that begins alike":         {version("18.60.1"), &check, "it is 18.60.1\nhint: another\n"},
		"a development build":                {version("development version"), &check, ""},
		"any, as the Runner is a dev. build": {version("17.11.2"), &ToolCheck{Missing: "none"}, ""},
		"none, but the stage needs none":     {"", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := stagesOf(t, c.runner, c.check)
			if first != c.want+script || second != script {
				t.Errorf("the first stage says %q, the second %q; want %q once", first, second, c.want)
			}
		})
	}
}

func TestTheRunnersOwnProgramGoesIntoTheHelper(t *testing.T) {
	spec := func(version string) string {
		s, job, facts := example()
		s.Helper.Image, s.Helper.RunnerBinary, job.RunnerVersion = "alpine/git", "/usr/bin/gitlab-runner", version
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		want := HostFile{Source: "/usr/bin/gitlab-runner", Target: "/usr/local/bin/gitlab-runner", Version: version}
		if f := p.Helper.HostFiles; len(f) != 1 || f[0] != want {
			t.Errorf("the helper has %+v", f)
		}
		if len(p.Job.HostFiles)+len(p.Sidecar.HostFiles) != 0 {
			t.Error("others have a file of the host")
		}
		return p.Spec
	}
	if spec("18.6.6") == spec("18.7.0") {
		t.Error("an upgraded Runner finds sandboxes with the program of before")
	}
}
