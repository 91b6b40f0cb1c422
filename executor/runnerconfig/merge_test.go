package runnerconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/fault"
)

func newSection() New {
	return New{
		Name: "builds", URL: "https://git.example.com", Token: Placeholder, Exec: ours,
		Needs: Needs{Prepare: 40 * time.Minute, Cleanup: 2 * time.Minute},
	}
}

// doctor finds no fault in the section that register writes.
func TestANewSectionIsJudgedWell(t *testing.T) {
	for _, settings := range []string{"", `/etc/"odd"\name.toml`} {
		n := newSection()
		n.Token, n.Settings, n.Needs.Settings = "glrt-x", settings, settings
		text, err := n.Text()
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse("x", []byte(text))
		if err != nil || len(f.Runners) != 1 {
			t.Fatalf("%v:\n%s", err, text)
		}
		if remarks := f.Runners[0].Judge("x", n.Needs, func(string) Executable { return This }); len(remarks) != 0 {
			t.Errorf("%+v", remarks)
		}
	}
}

func TestMergingKeepsAllElse(t *testing.T) {
	const other = `# the head
concurrent = 7 # many

[[runners]] # of old
  name = "docker"
  token = "glrt-old"
  executor = "docker"
  unknown_key = "stays"
  [runners.docker]
    image = "ruby"
# a last word
`
	const mine = `
[[runners]]
  name = "builds"
  url = "https://git.example.com"
  token = "glrt-mine"
  executor = "custom"
  environment = ["A=b"]
  [runners.custom]
    config_exec = "/old/gitlab-dind-executor" # where it was
    config_args = [
      "config",
    ]
    run_exec = "/old/gitlab-dind-executor"
    run_args = ["prepare"]
    prepare_exec_timeout = 7200
    graceful_kill_timeout = 600   # too long

    # about the cache
    [runners.cache]
      Type = "s3"

[[runners]]
  name = "last"
  executor = "shell"
`
	const odd = `[[runners]]
  name = "builds"
  url = "https://git.example.com"
  executor = "custom"
  [runners.custom]
    config_exec = '/old/gitlab-dind-executor' # 'single'
    run_exec = "/old/#1/gitlab-dind-executor" # a #
    run_args = ["#", ']', "REPLACED"] # list
    cleanup_exec = "/old/\"gitlab-dind-executor" # quote
    cleanup_args = ["a\\", '#', "]" ]   # both
    graceful_kill_timeout = 6_00 # under_score
`
	for name, c := range map[string]struct {
		src  string
		want []string
		not  []string
	}{
		"an empty file":                {"", []string{"[[runners]]\n  name = \"builds\"\n"}, nil},
		"a file without runners":       {"concurrent = 1\n", []string{"concurrent = 1\n\n[[runners]]\n"}, nil},
		"a file without a last line":   {"concurrent = 1", []string{"concurrent = 1\n\n[[runners]]\n"}, nil},
		"another runner":               {other, []string{strings.TrimRight(other, "\n") + "\n\n[[runners]]\n  name = \"builds\"\n", Placeholder}, nil},
		"a file of Windows' lines":     {"concurrent = 1 # one\r\n", []string{"concurrent = 1 # one\r\n\r\n[[runners]]\r\n"}, nil},
		"its own section":              {other + mine, []string{other, "config_exec = \"" + ours + "\" # where it was\n", "config_args = [\n      \"config\",\n    ]\n", "run_args = [\"run\"]\n", "prepare_exec_timeout = 7200\n", "graceful_kill_timeout = 60   # too long\n", "cleanup_args = [\"cleanup\"]\n", "\n\n    # about the cache\n    [runners.cache]\n", "glrt-mine", `environment = ["A=b"]`, "name = \"last\""}, []string{Placeholder, "/old/"}},
		"its own section, second time": {"", nil, nil},
		"comments beside odd values":   {odd, []string{"config_exec = \"" + ours + "\" # 'single'\n", "run_exec = \"" + ours + "\" # a #\n", "run_args = [\"run\"] # list\n", "cleanup_exec = \"" + ours + "\" # quote\n", "cleanup_args = [\"cleanup\"]   # both\n", "graceful_kill_timeout = 60 # under_score\n"}, []string{"/old/", "REPLACED"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newSection()
			src := c.src
			if name == "its own section, second time" {
				first, _, err := Merge("x", []byte(other+mine), n)
				if err != nil {
					t.Fatal(err)
				}
				src, c.want = string(first), []string{string(first)}
			}
			got, _, err := Merge("x", []byte(src), n)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(string(got), want) {
					t.Errorf("no %q in:\n%s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(string(got), not) {
					t.Errorf("%q in:\n%s", not, got)
				}
			}
			f, err := Parse("x", got)
			if err != nil {
				t.Fatalf("%v:\n%s", err, got)
			}
			s := f.Ours(func(string) Executable { return Unknown })
			if len(s) != 1 {
				t.Fatalf("%d sections are ours:\n%s", len(s), got)
			}
			s[0].Token = "glrt-x"
			n.Needs.Settings = ""
			if remarks := s[0].Judge("x", n.Needs, func(string) Executable { return This }); len(remarks) != 0 {
				t.Errorf("%+v in:\n%s", remarks, got)
			}
		})
	}
}

func TestLineEndsOfTheFileStay(t *testing.T) {
	const text = "[[runners]]\r\nname = \"x\"\r\npre_build_script = \"\"\"\r\necho one\r\necho two\r\n\"\"\"\r\n"
	got, _, err := Merge("x", []byte(text), newSection())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got), text) || strings.Count(string(got), "\n") != strings.Count(string(got), "\r\n") {
		t.Errorf("made %q", got)
	}
	mixed := strings.Replace(text, "echo one\r\n", "echo one\n", 1)
	if got, _, err := Merge("x", []byte(mixed), newSection()); err == nil {
		t.Errorf("a script was changed: %q", got)
	}
	harmless := "concurrent = 1\n" + text
	if _, _, err := Merge("x", []byte(harmless), newSection()); err != nil {
		t.Errorf("line ends that mean nothing are in the way: %v", err)
	}
}

func TestWhatIsNotMerged(t *testing.T) {
	for name, c := range map[string]struct{ src, text, hint string }{
		"no TOML":                        {"[[runners\n", "x:2: ", "mend"},
		"another's name":                 {"[[runners]]\nname = \"builds\"\nexecutor = \"shell\"\n", `has a runner "builds" of another kind`, "choose another --name"},
		"runners that are no tables":     {"runners = []\n", "cannot be edited", "by hand"},
		"a section within a line":        {"[[runners]]\nname = \"builds\"\nexecutor = \"custom\"\ncustom = { run_exec = \"" + ours + "\" }\n", "has no [runners.custom] in lines of its own", "by hand"},
		"a text that looks like headers": {"[[runners]]\nname = \"x\"\npre_build_script = \"\"\"\n[[runners]]\n[runners.custom]\n\"\"\"\n[[runners]]\nname = \"builds\"\nexecutor = \"custom\"\n[runners.custom]\nrun_exec = \"" + ours + "\"\n", "cannot be edited", "by hand"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Merge("x", []byte(c.src), newSection())
			if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v (hint: %s), made:\n%s", err, fault.HintOf(err), got)
			}
		})
	}
}

func TestWritingIsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	if err := Write(file, nil, []byte("a")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := Write(file, nil, []byte("b")); err == nil || fault.HintOf(err) == "" {
		t.Errorf("what is there was written over: %v", err)
	}
	if err := Write(file, []byte("what was read"), []byte("b")); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("what another wrote was written over: %v", err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("a"), []byte("b")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if b, _ := os.ReadFile(file); err != nil || info.Mode().Perm() != 0o640 || string(b) != "b" {
		t.Errorf("%v %q, %v", info.Mode(), b, err)
	}
	if l, err := os.Lstat(link); err != nil || l.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if err := Write(filepath.Join(dir, "none", "x"), nil, nil); err == nil || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add("concurrent = 1\n")
	f.Add("[[runners]]\nname = \"builds\"\nexecutor = \"custom\"\n[runners.custom]\nrun_exec = \"" + ours + "\"\n")
	f.Fuzz(func(t *testing.T, src string) {
		got, _, err := Merge("x", []byte(src), newSection())
		if err != nil {
			return
		}
		if _, err := Parse("x", got); err != nil {
			t.Errorf("%v:\n%s", err, got)
		}
	})
}
