package rig

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/docker/docker/client"
)

// GitUser is the user under which GitLab's jobs clone.
const GitUser = "gitlab-ci-token"

// gitBranch is the only branch of a GitServer's repository.
const gitBranch = "main"

// GitServer serves one repository over HTTP, by git's own http-backend, to clients with the job
// token. The server listens on the gateway of the engine's default bridge, where containers
// reach the server. Only clone and fetch are served. Any commit may be fetched by its hash,
// shallow or not.
type GitServer struct {
	Base   string // "http://172.17.0.1:PORT", GitLab's CI_SERVER_URL
	URL    string // of the repository with user and token: "http://gitlab-ci-token:…@172.17.0.1:PORT/group/app.git"
	Token  string // the job token: the password of GitUser
	Branch string // "main"
	SHA    string // the first commit

	dir    string // holds everything on disk
	repo   gitRepo
	lfs    largeFiles
	server *server
}

// StartGitServer makes a repository with one commit of the files and serves it under a
// project's path, such as "group/app". The caller closes it.
func StartGitServer(ctx context.Context, cli *client.Client, project string, files fs.FS) (*GitServer, error) {
	gateway, err := Gateway(ctx, cli)
	if err != nil {
		return nil, err
	}
	return serveGit(ctx, gateway.String(), project, files)
}

// serveGit is StartGitServer at an address of the caller's choice.
func serveGit(ctx context.Context, addr, project string, files fs.FS) (*GitServer, error) {
	dir, err := os.MkdirTemp("", NamePrefix+"git-")
	if err != nil {
		return nil, fmt.Errorf("cannot start a git server: %w", err)
	}
	s := &GitServer{Token: rand.Text(), Branch: gitBranch, dir: dir}
	if err := s.start(ctx, addr, project, files); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot start a git server: %w", err), s.Close())
	}
	return s, nil
}

// start does the work. However far it comes, Close removes what it made.
func (s *GitServer) start(ctx context.Context, addr, project string, files fs.FS) error {
	if !fs.ValidPath(project) || project == "." {
		return fmt.Errorf("%q is not the path of a project\nhint: such as group/app", project)
	}
	root := filepath.Join(s.dir, "root")
	s.repo = gitRepo{
		gitDir:   filepath.Join(root, filepath.FromSlash(project)+".git"),
		workTree: filepath.Join(s.dir, "work"),
		home:     s.dir,
	}
	if err := s.repo.init(ctx); err != nil {
		return err
	}
	sha, err := s.repo.commit(ctx, files)
	if err != nil {
		return err
	}
	s.SHA = sha

	backend, err := httpBackend(ctx)
	if err != nil {
		return err
	}
	s.server, err = serve(ctx, addr, withToken(s.Token, s.lfs.over(&cgi.Handler{
		Path:   backend,
		Root:   "/",
		Dir:    s.dir,
		Env:    append(s.repo.env(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1"),
		Logger: log.New(io.Discard, "", 0), // a client that goes away is no news
		Stderr: io.Discard,
	})))
	if err != nil {
		return err
	}
	s.Base = "http://" + s.server.addr
	s.URL = s.url(project)
	return nil
}

// url is a project's repository with user and token.
func (s *GitServer) url(project string) string {
	return "http://" + GitUser + ":" + s.Token + "@" + s.server.addr + "/" + project + ".git"
}

// httpBackend returns the path of git's CGI program.
func httpBackend(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return "", fmt.Errorf("cannot ask git for its programs: %w\nhint: install git", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return "", fmt.Errorf("git has no http-backend: %w\nhint: install git from the distribution's packages", err)
	}
	return backend, nil
}

// withToken lets requests with GitUser and the token through, by basic auth.
func withToken(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		if user != GitUser || subtle.ConstantTimeCompare([]byte(password), []byte(token)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="rig"`)
			http.Error(w, "HTTP Basic: Access denied", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, req)
	})
}

// Commit adds or overwrites files and commits them to the branch; the other files stay. The
// result is the commit's hash, 40 hex digits. Files without a difference make an empty commit.
// Commit is not for use by several goroutines.
func (s *GitServer) Commit(ctx context.Context, files fs.FS) (sha string, err error) {
	return s.repo.commit(ctx, files)
}

// Close ends the server, after at most 5 s for requests being served, and removes the
// repository. It may be called more than once.
func (s *GitServer) Close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.close())
		s.server = nil
	}
	errs = append(errs, os.RemoveAll(s.dir))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot end the git server: %w", err)
	}
	return nil
}
