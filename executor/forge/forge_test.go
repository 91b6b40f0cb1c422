package forge

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run runs git in a folder, with a made-up author.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(gitEnvironment(os.Environ()), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// repository makes a repository with two commits, and finds it from a folder inside.
func repository(t *testing.T) Repository {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "work", ".")
	write(t, dir+"/.gitignore", "ignored\n")
	write(t, dir+"/sub/one", "one\n")
	write(t, dir+"/gone", "gone\n")
	run(t, dir, "add", "-A")
	run(t, dir, "commit", "-qm", "first")
	run(t, dir, "commit", "-qm", "second\n\nwith a body", "--allow-empty")
	run(t, dir, "remote", "add", "origin", "https://me:secret@git.example.com/group/app.git")
	r, err := Find(t.Context(), dir+"/sub")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// everything lists all files below a folder, with their contents.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			all.WriteString(path + "\n")
			return err
		}
		text, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestARepositoryIsFoundFromAFolderInIt(t *testing.T) {
	r := repository(t)
	if r.Branch != "work" || r.Default != "work" || r.Message != "second\n\nwith a body" || r.Author != "a <a@b>" || len(r.SHA) != 40 || r.LFS {
		t.Errorf("it is %+v", r)
	}
	if r.Origin != "https://git.example.com/group/app.git" {
		t.Errorf("origin is %s", r.Origin)
	}
}

func serve(t *testing.T, r Repository) *Server {
	t.Helper()
	dir := t.TempDir()
	s, err := r.Snapshot(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		t.Fatal(err)
	}
	server, err := Serve(context.WithoutCancel(t.Context()), "127.0.0.1", "group/app", files, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(files); !os.IsNotExist(err) {
			t.Errorf("the server's files are left: %v", err)
		}
	})
	return server
}

func TestJobsFetchWhatIsNotCommittedAndTheRepositoryStaysAsItIs(t *testing.T) {
	r := repository(t)
	write(t, r.Top+"/sub/one", "changed\n")
	write(t, r.Top+"/new", "new\n")
	write(t, r.Top+"/ignored", "ignored\n")
	write(t, r.Top+"/staged", "staged\n")
	run(t, r.Top, "add", "staged")
	if err := os.Remove(r.Top + "/gone"); err != nil {
		t.Fatal(err)
	}
	before := everything(t, r.Top)
	s := serve(t, r)
	if !s.snapshot.Changed || s.snapshot.Ref != "work" || s.snapshot.SHA == r.SHA {
		t.Errorf("the snapshot is %s of %s, changed: %v", s.snapshot.SHA, s.snapshot.Ref, s.snapshot.Changed)
	}
	for name, protocol := range map[string]string{"today's protocol": "2", "that of 2005": "0"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			run(t, dir, "init", "-q", ".")
			run(t, dir, "-c", "protocol.version="+protocol, "fetch", "-q", "--depth", "2", s.RepoURL(), "+refs/heads/work:refs/remotes/origin/work")
			run(t, dir, "checkout", "-q", s.snapshot.SHA)
			for file, want := range map[string]string{"sub/one": "changed\n", "new": "new\n", "staged": "staged\n"} {
				if text, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(text) != want {
					t.Errorf("%s is %q (%v)", file, text, err)
				}
			}
			for _, file := range []string{"gone", "ignored"} {
				if _, err := os.Stat(filepath.Join(dir, file)); !os.IsNotExist(err) {
					t.Errorf("%s is there: %v", file, err)
				}
			}
			if n := run(t, dir, "rev-list", "--count", "HEAD"); n != "2" {
				t.Errorf("%s commits were fetched, want 2", n)
			}
		})
	}
	if everything(t, r.Top) != before {
		t.Error("the repository is not what it was")
	}
	again, err := r.Snapshot(t.Context(), t.TempDir())
	if err != nil || again.SHA != s.snapshot.SHA {
		t.Errorf("the same changes make another commit: %s (%v)", again.SHA, err)
	}
}

func TestWithoutChangesTheCommitIsHEADs(t *testing.T) {
	r := repository(t)
	s, err := r.Snapshot(t.Context(), t.TempDir())
	if err != nil || s.Changed || s.SHA != r.SHA {
		t.Errorf("%s, changed: %v, %v", s.SHA, s.Changed, err)
	}
	run(t, r.Top, "checkout", "-q", "--detach")
	if r, err = Find(t.Context(), r.Top); err != nil {
		t.Fatal(err)
	}
	if s, err = r.Snapshot(t.Context(), t.TempDir()); err != nil || s.Ref != detached {
		t.Errorf("%q: %v", s.Ref, err)
	}
}

func TestOnlyFetchingWithTheTokenIsLetIn(t *testing.T) {
	s := serve(t, repository(t))
	s.Runs(1)
	ask := func(method, path, user, token string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, token)
		req.Header.Set("JOB-TOKEN", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	const refs = "/group/app.git/info/refs?service=git-upload-pack"
	for name, c := range map[string]struct {
		method, path, user, token string
		want                      int
	}{
		"the token":           {"GET", refs, gitUser, s.Token, 200},
		"a wrong token":       {"GET", refs, gitUser, "wrong", 401},
		"no token":            {"GET", refs, gitUser, "", 401},
		"another user":        {"GET", refs, "root", s.Token, 401},
		"a push":              {"GET", "/group/app.git/info/refs?service=git-receive-pack", gitUser, s.Token, 403},
		"a push's second":     {"POST", "/group/app.git/git-receive-pack", gitUser, s.Token, 404},
		"the old protocol":    {"GET", "/group/app.git/info/refs", gitUser, s.Token, 403},
		"a file":              {"GET", "/group/app.git/config", gitUser, s.Token, 404},
		"another project":     {"GET", "/group/other.git/info/refs?service=git-upload-pack", gitUser, s.Token, 404},
		"artifacts, none yet": {"GET", "/api/v4/jobs/1/artifacts", gitUser, s.Token, 404},
		"artifacts, no token": {"GET", "/api/v4/jobs/1/artifacts", gitUser, "", 403},
		"artifacts, no job":   {"GET", "/api/v4/jobs/x/artifacts", gitUser, s.Token, 404},
		"no form":             {"POST", "/api/v4/jobs/1/artifacts", gitUser, s.Token, 400},
		"of another job":      {"POST", "/api/v4/jobs/2/artifacts", gitUser, s.Token, 403},
	} {
		if got := ask(c.method, c.path, c.user, c.token); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if !s.Reached() {
		t.Error("it was not reached")
	}
}

// A job sees the sources of every kind of repository.
func TestRepositoriesOfEveryKind(t *testing.T) {
	for name, made := range map[string]func(t *testing.T, r Repository) (top string){
		"a linked work tree": func(t *testing.T, r Repository) string {
			top := filepath.Join(t.TempDir(), "a b")
			run(t, r.Top, "worktree", "add", "-q", "-b", "other", top)
			return top
		},
		"a shallow clone": func(t *testing.T, r Repository) string {
			top := filepath.Join(t.TempDir(), "clone")
			run(t, r.Top, "clone", "-q", "--depth", "1", "file://"+r.Top, top)
			return top
		},
		"a split index": func(t *testing.T, r Repository) string {
			run(t, r.Top, "update-index", "--split-index")
			return r.Top
		},
		"a clone that borrows its objects": func(t *testing.T, r Repository) string {
			top := filepath.Join(t.TempDir(), "clone")
			run(t, r.Top, "clone", "-q", "--shared", r.Top, top)
			return top
		},
		"a submodule": func(t *testing.T, r Repository) string {
			super := t.TempDir()
			run(t, super, "init", "-q", "-b", "main", ".")
			run(t, super, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", r.Top, "sub")
			run(t, super, "commit", "-qm", "with a submodule")
			return super
		},
		"names of SHA-256": func(t *testing.T, _ Repository) string {
			top := t.TempDir()
			run(t, top, "init", "-q", "-b", "main", "--object-format=sha256", ".")
			write(t, top+"/one", "one\n")
			run(t, top, "add", "-A")
			run(t, top, "commit", "-qm", "first")
			return top
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := made(t, repository(t))
			write(t, top+"/new", "new\n")
			r, err := Find(t.Context(), top)
			if err != nil {
				t.Fatal(err)
			}
			s := serve(t, r)
			dir := t.TempDir()
			run(t, dir, "init", "-q", "--object-format="+map[int]string{40: "sha1", 64: "sha256"}[len(s.snapshot.SHA)], ".")
			run(t, dir, "fetch", "-q", s.RepoURL(), "+refs/heads/"+s.snapshot.Ref+":refs/remotes/origin/x")
			run(t, dir, "checkout", "-q", s.snapshot.SHA)
			if text, err := os.ReadFile(dir + "/new"); err != nil || string(text) != "new\n" {
				t.Errorf("the new file is %q (%v)", text, err)
			}
		})
	}
}
