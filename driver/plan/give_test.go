package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Only a project's directory below the builds directory is ever given away, because a
// pipeline can set the path by a variable.
func TestWhatIsGivenToAJobsUser(t *testing.T) {
	for dir, want := range map[string][]string{
		"/builds/group/app":       {"/builds/group/app", "/builds/group/app.tmp"},
		"/builds/own clone":       {"/builds/own clone", "/builds/own clone.tmp"},
		"/builds/-rf":             {"/builds/-rf", "/builds/-rf.tmp"},
		"":                        nil,
		"/":                       nil,
		"/builds":                 {"/builds"},
		"/builds/":                nil,
		"/buildsother/x":          nil,
		"/cache":                  nil,
		"/builds/../cache":        nil,
		"/builds/a/../../cache/b": nil,
		"/builds/a//b":            nil,
		"builds/a":                nil,
	} {
		if got := Owned("/builds", dir); !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", dir, got, want)
		}
	}
}

// Links among a job's sources may lead anywhere. The links are given away, but not their
// targets.
func TestGivingFollowsNoLink(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	outside, dir, link := filepath.Join(root, "outside"), filepath.Join(root, "a b"), filepath.Join(root, "project")
	for _, d := range []string{outside, filepath.Join(dir, "-x")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(outside, "secret"), filepath.Join(dir, "-x", "source"), filepath.Join(dir, ".hidden")} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{filepath.Join(dir, "file"): filepath.Join(outside, "secret"), filepath.Join(dir, "folder"): outside, filepath.Join(dir, "broken"): "nowhere", link: outside} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 12345, 23456
	}
	command := GiveCommand(fmt.Sprintf("%d:%d", uid, gid), []string{dir, link, filepath.Join(root, "none")})
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// The path to the directory must not lead through a link either.
	within := filepath.Join(outside, "within")
	if err := os.Mkdir(within, 0o755); err != nil {
		t.Fatal(err)
	}
	command = GiveCommand(fmt.Sprintf("%d:%d", uid, gid), []string{filepath.Join(link, "within")})
	if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), "link") {
		t.Errorf("through a link: %v: %s", err, out)
	}
	for name, given := range map[string]bool{"outside/within": false, "a b": true, "a b/-x/source": true, "a b/.hidden": true, "a b/file": true, "a b/folder": true, "a b/broken": true, "project": true, "outside": false, "outside/secret": false} {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); (int(s.Uid) == uid && int(s.Gid) == gid) != given && os.Getuid() == 0 {
			t.Errorf("%s belongs to %d:%d", name, s.Uid, s.Gid)
		}
	}
}

// The script runs with and without the check of the Runner's program.
func TestAScriptOfTheHelperWithItsOwnUmask(t *testing.T) {
	for name, check := range map[string]*ToolCheck{"no check": nil, "a check": {}} {
		for script, want := range map[string]string{"umask": "0000", string(OwnUmask([]byte("umask"))): "0022"} {
			command := HelperStage(check)
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Env = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + t.TempDir()}
			cmd.Stdin = strings.NewReader(script)
			out, err := cmd.Output()
			if lines := strings.Fields(string(out)); err != nil || len(lines) == 0 || lines[len(lines)-1] != want {
				t.Errorf("%s, %q: %v %s", name, script, err, out)
			}
		}
	}
}

// If a job asks for an init process, its own container and its services get the process.
func TestWhoHasAnInitProcess(t *testing.T) {
	for _, on := range []bool{false, true} {
		s, job, facts := example()
		job.Init = on
		job.Services = []Service{{Image: Image{Name: "redis:7"}}}
		p, err := Build(s, job, facts)
		if err != nil {
			t.Fatal(err)
		}
		if p.Job.Init != on || len(p.Services) != 1 || p.Services[0].Init != on || p.Sidecar.Init || p.Helper.Init {
			t.Errorf("asked %v: job %v, services %v, sidecar %v, helper %v", on, p.Job.Init, p.Services[0].Init, p.Sidecar.Init, p.Helper.Init)
		}
	}
}
