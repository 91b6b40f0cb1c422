package runnerconfig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/fault"
)

const ours = "/usr/local/bin/gitlab-dind-executor"

// section returns a correct section, changed.
func section(change func(*Section)) Section {
	s := Section{
		Name: "builds", URL: "https://git.example.com", Token: "glrt-secret", Executor: "custom",
		Custom: Custom{
			ConfigExec: ours, ConfigArgs: []string{"config"}, ConfigExecTimeout: 60,
			PrepareExec: ours, PrepareArgs: []string{"prepare"}, PrepareExecTimeout: 3000,
			RunExec: ours, RunArgs: []string{"run"},
			CleanupExec: ours, CleanupArgs: []string{"cleanup"}, CleanupExecTimeout: 300,
			GracefulKillTimeout: 60,
		},
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestJudgingASection(t *testing.T) {
	needs := Needs{Prepare: 40 * time.Minute, Cleanup: 2 * time.Minute}
	for name, c := range map[string]struct {
		change     func(*Section)
		what       Executable
		severe     bool
		text, hint string
	}{
		"all well":                 {nil, This, false, "", ""},
		"a hook that is not there": {nil, Missing, true, "config_exec names " + ours + ", which is not there", "install the program"},
		"not executable":           {nil, NotExecutable, true, "config_exec names " + ours + ", which is not executable", "chmod 755 " + ours},
		"another copy":             {nil, Copy, false, "another copy of this program", ours + " doctor"},
		"a script":                 {nil, Other, false, "another program", "a script"},
		"a hook that is not set":   {func(s *Section) { s.Custom.PrepareExec = "" }, This, true, "prepare_exec is not set", "register --write"},
		"arguments of another":     {func(s *Section) { s.Custom.RunArgs = []string{"prepare"} }, This, true, `run_args is ["prepare"]`, `run_args = ["run"]`},
		"no arguments":             {func(s *Section) { s.Custom.CleanupArgs = nil }, This, true, `cleanup_args is []`, `it must end with "cleanup"`},
		"a flag without its value": {func(s *Section) { s.Custom.RunArgs = []string{"--settings"} }, This, true, `run_args is ["--settings"]`, `["run"]`},
		"other settings": {
			func(s *Section) { s.Custom.RunArgs = []string{"--settings", "/x.toml", "run"} }, This, false,
			"the hook run reads /x.toml, and doctor looked at the usual settings", "--settings /x.toml doctor",
		},
		"other settings of two hooks": {
			func(s *Section) {
				s.Custom.RunArgs, s.Custom.CleanupArgs = []string{"--settings", "/x.toml", "run"}, []string{"--settings=/x.toml", "cleanup"}
			}, This, false,
			"the hooks run, cleanup read /x.toml, and doctor looked at the usual settings", "--settings /x.toml doctor",
		},
		"no token yet":    {func(s *Section) { s.Token = Placeholder }, This, true, "it has no token", "create a runner in GitLab"},
		"no GitLab":       {func(s *Section) { s.URL = "" }, This, true, "it has no url", "put the address of your GitLab into /etc/config.toml"},
		"the example's":   {func(s *Section) { s.URL = PlaceholderURL + "/" }, This, true, "url is that of the example", "in its place"},
		"no address":      {func(s *Section) { s.URL = "git.example.com" }, This, true, "does not begin with http", "write it as https://"},
		"a shell":         {func(s *Section) { s.Shell = "pwsh" }, This, true, `shell is "pwsh"`, "leave it out"},
		"a short prepare": {func(s *Section) { s.Custom.PrepareExecTimeout = 600 }, This, false, "prepare_exec_timeout is 10m", "prepare_exec_timeout = 2700"},
		"a short cleanup": {func(s *Section) { s.Custom.CleanupExecTimeout = 120 }, This, false, "cleanup_exec_timeout is 2m", "cleanup_exec_timeout = 180"},
		"a short config":  {func(s *Section) { s.Custom.ConfigExecTimeout = 1 }, This, false, "config_exec_timeout is 1s", "config_exec_timeout = 60"},
		"no kill timeout": {func(s *Section) { s.Custom.GracefulKillTimeout = 0 }, This, false, "graceful_kill_timeout is 10m, so cleanup may meet a script", "= 60"},
		"a long kill":     {func(s *Section) { s.Custom.GracefulKillTimeout = 300 }, This, false, "graceful_kill_timeout is 5m", "= 60"},
		"the Runner's hour is enough": {
			func(s *Section) {
				s.Custom.PrepareExecTimeout, s.Custom.CleanupExecTimeout, s.Custom.ConfigExecTimeout = 0, 0, 0
			}, This, false, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			remarks := section(c.change).Judge("/etc/config.toml", needs, func(string) Executable { return c.what })
			if c.text == "" {
				if len(remarks) > 0 {
					t.Errorf("%+v", remarks)
				}
				return
			}
			if len(remarks) != 1 {
				t.Fatalf("%d remarks, want one: %+v", len(remarks), remarks)
			}
			r := remarks[0]
			if r.Severe != c.severe || !strings.HasPrefix(r.Text, `runner "builds": `) || !strings.Contains(r.Text, c.text) || !strings.Contains(r.Hint, c.hint) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.Text+r.Hint, "secret") {
				t.Error("the token is told")
			}
		})
	}
}

func TestWhichSectionsAreOurs(t *testing.T) {
	f := File{Runners: []Section{
		{Name: "docker", Executor: "docker"},
		section(nil),
		{Name: "another's", Executor: "custom", Custom: Custom{RunExec: "/opt/other"}},
		{Name: "linked", Executor: "custom", Custom: Custom{RunExec: "/opt/dind"}},
	}}
	got := f.Ours(func(path string) Executable {
		if path == "/opt/dind" {
			return This
		}
		return Other
	})
	if len(got) != 2 || got[0].Name != "builds" || got[1].Name != "linked" {
		t.Errorf("%+v", got)
	}
}

func TestWhatAFileIs(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Symlink(self, at("link")); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"script": 0o755, "plain": 0o644} {
		if err := os.WriteFile(at(name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]Executable{
		at("link"): This, at("script"): Other, at("plain"): NotExecutable, at("none"): Missing, dir: NotExecutable, at("plain") + "/x": Unknown,
	} {
		if got := Look(path, self); got != want {
			t.Errorf("%s is %d, want %d", path, got, want)
		}
	}
}

func TestReadingConfigToml(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f, err := Read(write("good.toml", "concurrent = 3\n[[runners]]\nname = \"a\"\nunknown = 1\n"), "")
	if err != nil || f.Concurrent != 3 || len(f.Runners) != 1 || f.Runners[0].Name != "a" {
		t.Errorf("%+v, %v", f, err)
	}
	_, err = Read(write("bad.toml", "[[runners]]\ntoken = \"glrt-secret\n"), "")
	if err == nil || !strings.Contains(err.Error(), "bad.toml:2: ") || fault.HintOf(err) == "" || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v (hint: %s)", err, fault.HintOf(err))
	}
	_, err = Read(write("types.toml", "concurrent = \"many\"\n"), "")
	if err == nil || !strings.Contains(err.Error(), "types.toml") || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err = Read(filepath.Join(dir, "none.toml"), ""); !errors.Is(err, os.ErrNotExist) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(SystemPath); err == nil {
		return // this host has a Runner
	}
	if _, err = Read("", filepath.Join(dir, "nobody")); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
	home := write("home/.gitlab-runner/config.toml", "concurrent = 7\n")
	if f, err = Read("", filepath.Join(dir, "home")); err != nil || f.Concurrent != 7 || f.Path != home {
		t.Errorf("%+v, %v", f, err)
	}
}
