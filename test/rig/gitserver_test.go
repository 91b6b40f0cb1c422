package rig

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// startGit starts a git server for the test at the engine's gateway.
func startGit(t *testing.T) *GitServer {
	t.Helper()
	s, err := StartGitServer(t.Context(), newClient(t), "group/sub/app", Files(map[string]string{
		".gitignore": "ignored\n", "ignored": "yet committed\n", "src/main.sh": "echo one\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// credentials are user and password in a URL.
var credentials = regexp.MustCompile(`//[^/@\s]+@`)

// git runs git as a user without settings would. Its error shows no token.
func git(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := gitRepo{home: t.TempDir()}.git(t.Context(), args...)
	if err != nil {
		err = errors.New(credentials.ReplaceAllString(err.Error(), "//…@"))
	}
	return out, err
}

func TestCloneWithTheToken(t *testing.T) {
	s := startGit(t)
	dir := filepath.Join(t.TempDir(), "clone")
	if _, err := git(t, "clone", "--quiet", s.URL, dir); err != nil {
		t.Fatal(err)
	}
	if sha, err := git(t, "-C", dir, "rev-parse", "HEAD"); err != nil || sha != s.SHA {
		t.Errorf("HEAD is %q (%v), want %q", sha, err, s.SHA)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "ignored")); err != nil || string(text) != "yet committed\n" {
		t.Errorf("the ignored file is %q (%v)", text, err)
	}
}

func TestCloneWithoutTheTokenIsRefused(t *testing.T) {
	s := startGit(t)
	bare := s.Base + "/group/sub/app.git"
	for name, url := range map[string]string{
		"no user":        bare,
		"wrong password": strings.Replace(bare, "http://", "http://"+GitUser+":wrong@", 1),
		"wrong user":     strings.Replace(bare, "http://", "http://somebody:"+s.Token+"@", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := git(t, "clone", "--quiet", url, filepath.Join(t.TempDir(), "clone")); err == nil {
				t.Error("the clone succeeds")
			}
		})
	}
}

func TestPushIsRefused(t *testing.T) {
	s := startGit(t)
	dir := filepath.Join(t.TempDir(), "clone")
	if _, err := git(t, "clone", "--quiet", s.URL, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := git(t, "-C", dir, "push", "--quiet", "origin", "main:other"); err == nil {
		t.Error("the push succeeds")
	}
}

func TestLaterCommitIsFetchedShallowByItsHash(t *testing.T) {
	s := startGit(t)
	second, err := s.Commit(t.Context(), fstest.MapFS{
		"src/main.sh": {Data: []byte("echo two\n"), Mode: 0o755},
		"new":         {Data: []byte("new\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	third, err := s.Commit(t.Context(), Files(nil))
	if err != nil {
		t.Fatal(err)
	}
	if s.SHA == second || second == third {
		t.Fatalf("the commits %s, %s, %s are not three", s.SHA, second, third)
	}

	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "--quiet", dir},
		{"-C", dir, "fetch", "--quiet", "--depth=1", s.URL, second},
		{"-C", dir, "checkout", "--quiet", "FETCH_HEAD"},
	} {
		if _, err := git(t, args...); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := git(t, "-C", dir, "rev-list", "--count", "HEAD"); err != nil || n != "1" {
		t.Errorf("%s commits were fetched (%v), want 1", n, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "src/main.sh")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("main.sh is not executable: %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".gitignore")); err != nil {
		t.Errorf("a file of the first commit is gone: %v", err)
	}
}

func TestClosedGitServerLeavesNothing(t *testing.T) {
	s := startGit(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the repository is still there (%v)", err)
	}
	if _, err := git(t, "ls-remote", s.URL); err == nil {
		t.Error("it still answers")
	}
}

func TestProjectPathIsChecked(t *testing.T) {
	for _, project := range []string{"", ".", "/app", "../app", "group/"} {
		if s, err := serveGit(t.Context(), "127.0.0.1", project, Files(nil)); err == nil {
			s.Close()
			t.Errorf("%q is taken", project)
		}
	}
}

func TestSubmodulesOfRelativeURLAreCloned(t *testing.T) {
	s := startGit(t)
	sub, err := s.AddProject(t.Context(), "group/lib", Files(map[string]string{"lib.sh": "echo lib\n"}))
	if err != nil {
		t.Fatal(err)
	}
	super, err := s.AddProject(t.Context(), "group/super", Files(map[string]string{"main.sh": "echo main\n"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := super.CommitSubmodule(t.Context(), "vendor/lib", "../lib.git", sub.SHA); err != nil {
		t.Fatal(err)
	}
	if _, err := super.Commit(t.Context(), Files(map[string]string{"main.sh": "echo more\n"})); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	if _, err := git(t, "clone", "--quiet", "--recurse-submodules", super.URL, dir); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"main.sh": "echo more\n", "vendor/lib/lib.sh": "echo lib\n"} {
		if text, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(text) != want {
			t.Errorf("%s is %q (%v)", file, text, err)
		}
	}
	if _, err := s.AddProject(t.Context(), "../outside", Files(nil)); err == nil {
		t.Error("a project outside of the server's root was made")
	}
}

func TestLargeFilesGoToWhoHasTheToken(t *testing.T) {
	s := startGit(t)
	pointer := s.AddLargeFile([]byte("large"))
	oid := regexp.MustCompile(`sha256:([0-9a-f]{64})\nsize 5\n`).FindStringSubmatch(pointer)
	if oid == nil {
		t.Fatalf("the pointer is %q", pointer)
	}
	ask := func(method, url, password, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(GitUser, password)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	batch := s.Base + "/group/sub/app.git/info/lfs/objects/batch"
	const body = `{"operation":"download","objects":[{"oid":"%s","size":5},{"oid":"none","size":5}]}`
	code, text := ask("POST", batch, s.Token, fmt.Sprintf(body, oid[1]))
	object := s.Base + "/lfs-objects/" + oid[1]
	if code != 200 || !strings.Contains(text, object) || !strings.Contains(text, `"code":404`) {
		t.Errorf("%d %s", code, text)
	}
	if code, text := ask("GET", object, s.Token, ""); code != 200 || text != "large" {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := ask("GET", s.Base+"/lfs-objects/none", s.Token, ""); code != 404 {
		t.Errorf("what is not there: %d", code)
	}
	if code, _ := ask("POST", batch, s.Token, "{"); code != 400 {
		t.Errorf("nonsense: %d", code)
	}
	for _, url := range []string{batch, object} {
		if code, _ := ask("GET", url, "wrong", ""); code != 401 {
			t.Errorf("%s without the token: %d", url, code)
		}
	}
}
