package rig

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/docker/docker/client"
)

// maxArtifact bounds one upload, in bytes.
const maxArtifact = 64 << 20

// Artifact is a file uploaded by a job.
type Artifact struct {
	// Type is GitLab's artifact_type, such as "archive" or "dotenv". Format is its
	// artifact_format. Both are "" where the job's helper names none.
	Type, Format string
	ExpireIn     string
	Filename     string
	Content      []byte
}

// ArtifactServer is the part of GitLab's API for artifacts. Helpers upload artifacts of their
// own job and download those of others. Each job's artifacts need the job's token. The server
// listens where a [GitServer] does.
type ArtifactServer struct {
	URL string // GitLab's CI_SERVER_URL

	server *server
	mu     sync.Mutex
	tokens map[int64]string
	kept   map[int64][]Artifact
}

// StartArtifactServer starts a server without any job. The caller closes it.
func StartArtifactServer(ctx context.Context, cli *client.Client) (*ArtifactServer, error) {
	gateway, err := Gateway(ctx, cli)
	if err != nil {
		return nil, err
	}
	return serveArtifacts(ctx, gateway.String())
}

// serveArtifacts is StartArtifactServer at an address of the caller's choice.
func serveArtifacts(ctx context.Context, addr string) (s *ArtifactServer, err error) {
	s = newArtifacts()
	mux := http.NewServeMux()
	s.routes(mux)
	if s.server, err = serve(ctx, addr, mux); err != nil {
		return nil, fmt.Errorf("cannot start an artifact server: %w", err)
	}
	s.URL = "http://" + s.server.addr
	return s, nil
}

func newArtifacts() *ArtifactServer {
	return &ArtifactServer{tokens: map[int64]string{}, kept: map[int64][]Artifact{}}
}

func (s *ArtifactServer) routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v4/jobs/{id}/artifacts", s.ofJob(s.upload))
	mux.HandleFunc("GET /api/v4/jobs/{id}/artifacts", s.ofJob(s.download))
}

// Know lets a job in by its token.
func (s *ArtifactServer) Know(job int64, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[job] = token
}

// Of returns the uploads of a job, in order.
func (s *ArtifactServer) Of(job int64) []Artifact {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Artifact(nil), s.kept[job]...)
}

// Close ends the server.
func (s *ArtifactServer) Close() error {
	if err := s.server.close(); err != nil {
		return fmt.Errorf("cannot end the artifact server: %w", err)
	}
	return nil
}

// ofJob checks the token before it calls serve.
func (s *ArtifactServer) ofJob(serve func(http.ResponseWriter, *http.Request, int64)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		job, err := strconv.ParseInt(req.PathValue("id"), 10, 64)
		s.mu.Lock()
		token, known := s.tokens[job]
		s.mu.Unlock()
		if err != nil || !known || subtle.ConstantTimeCompare([]byte(req.Header.Get("JOB-TOKEN")), []byte(token)) != 1 {
			http.Error(w, `{"message":"403 Forbidden"}`, http.StatusForbidden)
			return
		}
		serve(w, req, job)
	}
}

func (s *ArtifactServer) upload(w http.ResponseWriter, req *http.Request, job int64) {
	content, filename, err := formFile(http.MaxBytesReader(w, req.Body, maxArtifact), req)
	if err != nil {
		http.Error(w, `{"message":"400 Bad request"}`, http.StatusBadRequest)
		return
	}
	q := req.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[job] = append(s.kept[job], Artifact{
		Type: q.Get("artifact_type"), Format: q.Get("artifact_format"), ExpireIn: q.Get("expire_in"),
		Filename: filename, Content: content,
	})
	w.WriteHeader(http.StatusCreated)
}

// formFile reads the form's field "file".
func formFile(body io.ReadCloser, req *http.Request) (content []byte, filename string, err error) {
	req.Body = body
	form, err := req.MultipartReader()
	if err != nil {
		return nil, "", err
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, "", errors.New("no file")
		}
		if err != nil {
			return nil, "", err
		}
		if part.FormName() == "file" {
			content, err := io.ReadAll(part)
			return content, part.FileName(), err
		}
	}
}

// download serves the last archive, because GitLab means the archive by "the artifacts of a
// job". Reports cannot be downloaded in this way.
func (s *ArtifactServer) download(w http.ResponseWriter, _ *http.Request, job int64) {
	var archive *Artifact
	for _, a := range s.Of(job) {
		if a.Type == "" || a.Type == "archive" {
			archive = &a
		}
	}
	if archive == nil {
		http.Error(w, `{"message":"404 Not found"}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(archive.Content) // the client may go away
}
