package rig

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// Bounds of a Runner's requests, in bytes.
const (
	maxTrace   = 64 << 20
	maxRequest = 1 << 20
)

// JobAPI is the part of GitLab's API for Runners: a Runner gets jobs there and reports their
// logs, ends and artifacts. The server listens where a [GitServer] does.
type JobAPI struct {
	URL string // config.toml's url
	// Token is the Runner's, as config.toml has it.
	Token string
	// Artifacts holds the uploads of jobs.
	Artifacts *ArtifactServer

	server *server
	mu     sync.Mutex
	queue  []*OfferedJob
	jobs   map[int64]*OfferedJob
	// verified and asked count the calls of a Runner.
	verified, asked int
}

// JobEnd is the last word of a Runner about a job.
type JobEnd struct {
	State         string `json:"state"`
	FailureReason string `json:"failure_reason"`
	ExitCode      int    `json:"exit_code"`
}

// OfferedJob is a job for a Runner to take.
type OfferedJob struct {
	ID      int64
	token   string
	payload []byte

	mu sync.Mutex
	// taken is when a Runner got the job, told when the Runner told its end.
	taken, told time.Time

	status string // the job's status in answers to the Runner, as GitLab words it
	trace  []byte
	wrote  chan struct{} // closed and replaced when the log grows
	end    JobEnd
	done   chan struct{}
}

// StartJobAPI starts a server without jobs. The caller closes it.
func StartJobAPI(ctx context.Context, cli *client.Client) (*JobAPI, error) {
	gateway, err := Gateway(ctx, cli)
	if err != nil {
		return nil, err
	}
	return ServeJobAPI(ctx, gateway.String())
}

// ServeJobAPI is StartJobAPI at an address of the caller's choice.
func ServeJobAPI(ctx context.Context, addr string) (s *JobAPI, err error) {
	s = &JobAPI{Token: "glrt-" + rand.Text(), Artifacts: newArtifacts(), jobs: map[int64]*OfferedJob{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v4/runners/verify", s.verify)
	mux.HandleFunc("POST /api/v4/jobs/request", s.request)
	mux.HandleFunc("PATCH /api/v4/jobs/{id}/trace", s.patchTrace)
	mux.HandleFunc("PUT /api/v4/jobs/{id}", s.update)
	s.Artifacts.routes(mux)
	if s.server, err = serve(ctx, addr, mux); err != nil {
		return nil, fmt.Errorf("cannot start a job API: %w", err)
	}
	s.URL = "http://" + s.server.addr
	return s, nil
}

// Close ends the server.
func (s *JobAPI) Close() error {
	if err := s.server.close(); err != nil {
		return fmt.Errorf("cannot end the job API: %w", err)
	}
	return nil
}

// Offer puts a job at the end of the queue. The payload becomes JSON.
func (s *JobAPI) Offer(id int64, token string, payload any) (*OfferedJob, error) {
	text, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	j := &OfferedJob{ID: id, token: token, payload: text, status: "running", wrote: make(chan struct{}), done: make(chan struct{})}
	s.Artifacts.Know(id, token)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[id] = j
	s.queue = append(s.queue, j)
	return j, nil
}

// Calls returns how often a Runner has made itself known and asked for jobs.
func (s *JobAPI) Calls() (verified, asked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verified, s.asked
}

// Cancel is the button in GitLab: the Runner learns of the cancellation by the next answer.
func (j *OfferedJob) Cancel() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.status == "running" {
		j.status = "canceling"
	}
}

// Done is closed when the Runner has told the job's end.
func (j *OfferedJob) Done() <-chan struct{} { return j.done }

// End is the Runner's report. Before Done it is the zero value.
func (j *OfferedJob) End() JobEnd {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

// Times are when a Runner got the job and when the Runner told its end. They are zero before.
func (j *OfferedJob) Times() (taken, told time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.taken, j.told
}

// Trace is the job log so far. more is closed when the log grows.
func (j *OfferedJob) Trace() (text string, more <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(j.trace), j.wrote
}

// runner reads a Runner's request and checks its token.
func (s *JobAPI) runner(w http.ResponseWriter, req *http.Request) bool {
	var body struct {
		Token string `json:"token"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxRequest)).Decode(&body)
	switch {
	case err != nil:
		http.Error(w, `{"message":"400 Bad request"}`, http.StatusBadRequest)
	case subtle.ConstantTimeCompare([]byte(body.Token), []byte(s.Token)) != 1:
		http.Error(w, `{"message":"403 Forbidden"}`, http.StatusForbidden)
	default:
		return true
	}
	return false
}

func (s *JobAPI) verify(w http.ResponseWriter, req *http.Request) {
	if !s.runner(w, req) {
		return
	}
	s.mu.Lock()
	s.verified++
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"id": 1, "token": s.Token, "token_expires_at": nil})
}

// request hands out the first job of the queue.
func (s *JobAPI) request(w http.ResponseWriter, req *http.Request) {
	if !s.runner(w, req) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	w.Header().Set("X-GitLab-Last-Update", strconv.Itoa(len(s.jobs)))
	if len(s.queue) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	j := s.queue[0]
	s.queue = s.queue[1:]
	j.mu.Lock()
	j.taken = time.Now()
	j.mu.Unlock()
	answer(w, http.StatusCreated, json.RawMessage(j.payload))
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client may go away
}

// job finds the job of a request and checks its token. The Runner sends the token as a header,
// and with an update in the body, too.
func (s *JobAPI) job(w http.ResponseWriter, req *http.Request, tokens ...string) *OfferedJob {
	id, err := strconv.ParseInt(req.PathValue("id"), 10, 64)
	s.mu.Lock()
	j := s.jobs[id]
	s.mu.Unlock()
	if err != nil || j == nil || !slices.Contains(append(tokens, req.Header.Get("JOB-TOKEN")), j.token) {
		http.Error(w, `{"message":"403 Forbidden"}`, http.StatusForbidden)
		return nil
	}
	return j
}

// patchTrace appends to a job's log, if the new part begins at the log's end.
func (s *JobAPI) patchTrace(w http.ResponseWriter, req *http.Request) {
	j := s.job(w, req)
	if j == nil {
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxTrace))
	var from, to int
	if _, scanErr := fmt.Sscanf(req.Header.Get("Content-Range"), "%d-%d", &from, &to); err != nil || scanErr != nil {
		http.Error(w, `{"message":"400 Bad request"}`, http.StatusBadRequest)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	code := http.StatusAccepted
	switch {
	case j.ended():
		code = http.StatusForbidden
	case from != len(j.trace) || to-from+1 != len(text) || len(j.trace)+len(text) > maxTrace:
		code = http.StatusRequestedRangeNotSatisfiable
	default:
		j.trace = append(j.trace, text...)
		close(j.wrote)
		j.wrote = make(chan struct{})
	}
	w.Header().Set("Range", fmt.Sprintf("0-%d", len(j.trace)))
	j.answer(w, code)
}

// update takes a job's state: still running, or its end.
func (s *JobAPI) update(w http.ResponseWriter, req *http.Request) {
	var body struct {
		JobEnd
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxRequest)).Decode(&body); err != nil {
		http.Error(w, `{"message":"400 Bad request"}`, http.StatusBadRequest)
		return
	}
	j := s.job(w, req, body.Token)
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.ended():
		j.answer(w, http.StatusForbidden)
		return
	case body.State == "success" || body.State == "failed":
		j.end, j.status, j.told = body.JobEnd, body.State, time.Now()
		close(j.done)
	case body.State != "running":
		http.Error(w, `{"message":"400 Bad request"}`, http.StatusBadRequest)
		return
	}
	j.answer(w, http.StatusOK)
}

func (j *OfferedJob) ended() bool { return j.status == "success" || j.status == "failed" }

// answer tells the Runner the job's status, and asks for its log every second.
func (j *OfferedJob) answer(w http.ResponseWriter, code int) {
	w.Header().Set("Job-Status", j.status)
	w.Header().Set("X-GitLab-Trace-Update-Interval", "1")
	answer(w, code, j.ID)
}
