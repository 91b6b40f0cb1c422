package forge

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gitlab-dind-executor/fault"
)

// gitUser is the user name of GitLab's jobs for git.
const gitUser = "gitlab-ci-token"

// closing bounds the wait for requests under way when the server ends.
const closing = 5 * time.Second

// Server serves a snapshot and the artifacts of a run to clients with the token. Jobs can
// fetch, not push.
type Server struct {
	// URL is the server's address, GitLab's CI_SERVER_URL.
	URL string
	// Token is the password of each job of this run, for sources and artifacts.
	Token string

	snapshot Snapshot
	project  string
	dir      string
	http     *http.Server
	served   chan error
	reached  atomic.Bool

	mu sync.Mutex
	// runs is the running job. An upload of this job holds one.
	runs     int64
	one      *sync.Mutex
	uploaded map[int64]bool
	dotenv   map[int64][]Pair
	refused  map[int64]string
}

// Serve serves a snapshot as a project such as "group/app". address is a host's address,
// with or without a port. The server's files go below dir. The caller closes the server.
func Serve(ctx context.Context, address, project, dir string, s Snapshot) (*Server, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "0")
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.System(fmt.Errorf("serving the sources to the jobs: %w", err),
			"the docker engine must run on this host; name another address of it with --listen")
	}
	v := &Server{
		URL: "http://" + listener.Addr().String(), Token: rand.Text(),
		snapshot: s, project: project, dir: dir, served: make(chan error, 1), uploaded: map[int64]bool{}, dotenv: map[int64][]Pair{}, refused: map[int64]string{},
	}
	mux := http.NewServeMux()
	repository := "/" + project + ".git/"
	mux.HandleFunc("GET "+repository+"info/refs", v.forGit(v.refs))
	mux.HandleFunc("POST "+repository+"git-upload-pack", v.forGit(v.uploadPack))
	mux.HandleFunc("POST /api/v4/jobs/{id}/artifacts", v.forJobs(v.upload))
	mux.HandleFunc("GET /api/v4/jobs/{id}/artifacts", v.forJobs(v.give))
	v.http = &http.Server{
		Handler:           v.noting(mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // a client that goes away is no news
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go func() { v.served <- v.http.Serve(listener) }()
	return v, nil
}

// RepoURL is the repository's address with user and token.
func (s *Server) RepoURL() string {
	return "http://" + gitUser + ":" + s.Token + "@" + s.URL[len("http://"):] + "/" + s.project + ".git"
}

// Reached tells whether any job has got through to the server.
func (s *Server) Reached() bool { return s.reached.Load() }

// Close ends the server. Requests under way have a few seconds to end.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	var errs []error
	if err := s.http.Shutdown(ctx); err != nil {
		errs = append(errs, s.http.Close())
	}
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

func (s *Server) noting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.reached.Store(true)
		next.ServeHTTP(w, req)
	})
}

// is compares a token in constant time, so the time reveals no correct part.
func (s *Server) is(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) == 1
}

// forGit lets only requests with user and token through.
func (s *Server) forGit(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		user, password, _ := req.BasicAuth()
		if user != gitUser || !s.is(password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="sources"`)
			http.Error(w, "HTTP Basic: Access denied", http.StatusUnauthorized)
			return
		}
		next(w, req)
	}
}

// forJobs lets only requests with the token through, in the form of GitLab's API.
func (s *Server) forJobs(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if !s.is(req.Header.Get("JOB-TOKEN")) {
			http.Error(w, `{"message":"403 Forbidden"}`, http.StatusForbidden)
			return
		}
		next(w, req)
	}
}
