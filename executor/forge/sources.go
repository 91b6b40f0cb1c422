package forge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
)

// maxNegotiation bounds a client's list of its own commits, in bytes.
const maxNegotiation = 64 << 20

// refs answers the first request of a fetch, in git's smart protocol only.
func (s *Server) refs(w http.ResponseWriter, req *http.Request) {
	if req.URL.Query().Get("service") != "git-upload-pack" {
		http.Error(w, "jobs can fetch only", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
	w.Header().Set("Cache-Control", "no-cache")
	if req.Header.Get("Git-Protocol") != "version=2" { // version 2 has no such line
		const service = "# service=git-upload-pack\n"
		fmt.Fprintf(w, "%04x%s0000", len(service)+4, service)
	}
	s.git(w, req, nil, "--http-backend-info-refs")
}

// uploadPack answers the other requests of a fetch.
func (s *Server) uploadPack(w http.ResponseWriter, req *http.Request) {
	body := io.Reader(http.MaxBytesReader(w, req.Body, maxNegotiation))
	if req.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, "the body is not gzip", http.StatusBadRequest)
			return
		}
		body = io.LimitReader(unpacked, maxNegotiation)
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	w.Header().Set("Cache-Control", "no-cache")
	s.git(w, req, body)
}

// git runs git itself for the answer, until the client or the server goes away.
func (s *Server) git(w http.ResponseWriter, req *http.Request, body io.Reader, args ...string) {
	args = append([]string{"upload-pack", "--strict", "--stateless-rpc"}, append(args, s.snapshot.dir)...)
	cmd := exec.CommandContext(req.Context(), "git", args...)
	cmd.Dir = s.dir
	cmd.Env = append(gitEnvironment(os.Environ()), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	if version := req.Header.Get("Git-Protocol"); version != "" && len(version) < 100 {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+version)
	}
	if body == nil {
		body = bytes.NewReader(nil)
	}
	cmd.Stdin, cmd.Stdout = body, w
	_ = cmd.Run() // git tells the client itself
}
