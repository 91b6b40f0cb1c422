package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// maxArtifact bounds one upload, in bytes.
const maxArtifact = 4 << 30

// Has tells whether a job, by its id, has uploaded artifacts.
func (s *Server) Has(job int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploaded[job]
}

// Runs sets the running job, 0 for none. Only the running job may upload, one file after
// the other: all jobs of a run have the same token.
func (s *Server) Runs(job int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs, s.one = job, &sync.Mutex{}
}

// turn returns the lock for an upload of a job, or nil for a job that may not upload.
func (s *Server) turn(job int64) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if job == 0 || job != s.runs {
		return nil
	}
	return s.one
}

func (s *Server) archive(job int64) string {
	return filepath.Join(s.dir, fmt.Sprintf("artifacts-%d.zip", job))
}

// upload takes an upload of a job's helper. Reports for GitLab's pages are dropped; reports
// of variables stay.
func (s *Server) upload(w http.ResponseWriter, req *http.Request) {
	job, err := strconv.ParseInt(req.PathValue("id"), 10, 64)
	if err == nil {
		turn := s.turn(job)
		if turn == nil {
			http.Error(w, `{"message":"403 Forbidden - Job is not running"}`, http.StatusForbidden)
			return
		}
		turn.Lock()
		defer turn.Unlock()
		err = s.receive(http.MaxBytesReader(w, req.Body, maxArtifact), req, job)
	}
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "400 Bad request - " + err.Error()})
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// receive writes the form's field "file".
func (s *Server) receive(body io.ReadCloser, req *http.Request, job int64) error {
	req.Body = body
	form, err := req.MultipartReader()
	if err != nil {
		return err
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return errors.New("no file")
		} else if err != nil {
			return err
		}
		if part.FormName() != "file" {
			continue
		}
		switch kind := req.URL.Query().Get("artifact_type"); kind {
		case "", "archive":
			return s.write(part, job)
		case "dotenv":
			return s.receiveDotenv(part, job)
		default:
			_, err := io.Copy(io.Discard, part)
			return err
		}
	}
}

func (s *Server) write(from io.Reader, job int64) error {
	f, err := os.CreateTemp(s.dir, "upload-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // a file that has been renamed is gone already
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.archive(job)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploaded[job] = true
	return nil
}

// give serves a job's archive.
func (s *Server) give(w http.ResponseWriter, req *http.Request) {
	job, err := strconv.ParseInt(req.PathValue("id"), 10, 64)
	if err != nil || !s.Has(job) {
		http.Error(w, `{"message":"404 Not found"}`, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeFile(w, req, s.archive(job))
}
