package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// largeFiles is the downloading part of Git LFS. It serves files by the hash of their content,
// for every project of a server alike.
type largeFiles struct {
	mu    sync.Mutex
	files map[string][]byte
}

// AddLargeFile keeps a file's content and returns its pointer, the text to commit in the file's
// place.
func (s *GitServer) AddLargeFile(content []byte) (pointer string) {
	sum := sha256.Sum256(content)
	oid := hex.EncodeToString(sum[:])
	s.lfs.mu.Lock()
	defer s.lfs.mu.Unlock()
	if s.lfs.files == nil {
		s.lfs.files = map[string][]byte{}
	}
	s.lfs.files[oid] = content
	return fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", oid, len(content))
}

func (l *largeFiles) content(oid string) (content []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	content, ok = l.files[oid]
	return content, ok
}

// over serves large files, and the rest by next.
func (l *largeFiles) over(next http.Handler) http.Handler {
	const batch, object = ".git/info/lfs/objects/batch", "/lfs-objects/"
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		oid, isObject := strings.CutPrefix(req.URL.Path, object)
		switch {
		case req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, batch):
			l.batch(w, req, "http://"+req.Host+object)
		case isObject:
			content, ok := l.content(oid)
			if !ok {
				http.NotFound(w, req)
				return
			}
			_, _ = w.Write(content) // the client may go away
		default:
			next.ServeHTTP(w, req)
		}
	})
}

// batch answers a client with the addresses of objects.
func (l *largeFiles) batch(w http.ResponseWriter, req *http.Request, base string) {
	type action struct {
		Href   string            `json:"href"`
		Header map[string]string `json:"header,omitempty"`
	}
	type object struct {
		OID           string            `json:"oid"`
		Size          int64             `json:"size"`
		Authenticated bool              `json:"authenticated,omitempty"`
		Actions       map[string]action `json:"actions,omitempty"`
		Error         map[string]any    `json:"error,omitempty"`
	}
	var ask struct {
		Objects []object `json:"objects"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, 1<<20)).Decode(&ask); err != nil {
		http.Error(w, `{"message":"bad request"}`, http.StatusBadRequest)
		return
	}
	answer := struct {
		Transfer string   `json:"transfer"`
		Objects  []object `json:"objects"`
	}{Transfer: "basic"}
	for _, o := range ask.Objects {
		if _, ok := l.content(o.OID); ok {
			o.Authenticated = true
			o.Actions = map[string]action{"download": {base + o.OID, map[string]string{"Authorization": req.Header.Get("Authorization")}}}
		} else {
			o.Error = map[string]any{"code": 404, "message": "not found"}
		}
		answer.Objects = append(answer.Objects, o)
	}
	w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
	_ = json.NewEncoder(w).Encode(answer) // the client may go away
}
