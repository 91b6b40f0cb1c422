package fakeengine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Engine is a fake Docker Engine on a port of its own.
type Engine struct {
	// Host is the engine's address in the form of DOCKER_HOST.
	Host string

	// OnStart is called when a container starts. It may let the container exit. Set OnStart
	// before the engine is used.
	OnStart func(*Container)
	// OnScript gets a container's whole stdin. The container prints the output and ends with
	// the code.
	OnScript func(script string) (output string, code int)
	// OnProgram plays the executor's own program in a container of its own. It gives the exit
	// code. Without OnProgram the code is 0.
	OnProgram func(*Container) (code int)
	// ExecOutput is the output of every command in a container.
	ExecOutput string
	// Processes are the command lines of the processes in every container.
	Processes []string
	// ExecCode is the exit code of every command in a container.
	ExecCode int
	// DataRoot is the engine's answer for its data root.
	DataRoot string

	server *httptest.Server
	closed chan struct{}

	mu         sync.Mutex
	serial     int
	containers []*Container
	networks   []*Network
	volumes    []*Volume
	images     map[string]Image
	registry   map[string]Image
	script     map[string][]Answer
	always     map[string]Answer
	calls      []string
	lists      []string
	// starts counts the engine's starts. Each start makes the default bridge anew.
	starts int
	// forced counts the removals of volumes with force.
	forced int
}

// New starts an engine that ends with the test.
func New(t testing.TB) *Engine {
	t.Helper()
	e := &Engine{
		closed: make(chan struct{}), images: map[string]Image{}, registry: map[string]Image{},
		script: map[string][]Answer{}, always: map[string]Answer{},
	}
	mux := http.NewServeMux()
	for call, answer := range e.api() {
		mux.HandleFunc(call, func(w http.ResponseWriter, r *http.Request) { e.serve(call, answer, w, r) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotImplemented, "the fake engine knows no "+r.Method+" "+r.URL.Path)
	})
	version := regexp.MustCompile(`^/v[0-9.]+/`)
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = version.ReplaceAllString(r.URL.Path, "/")
		mux.ServeHTTP(w, r)
	}))
	e.Host = "tcp://" + strings.TrimPrefix(e.server.URL, "http://")
	t.Cleanup(e.Close)
	return e
}

// Close ends the engine and all hanging calls. It may be called twice.
func (e *Engine) Close() {
	e.mu.Lock()
	select {
	case <-e.closed:
	default:
		close(e.closed)
	}
	e.mu.Unlock()
	e.server.CloseClientConnections()
	e.server.Close()
}

// serve notes a call and gives the scripted answer, or else the answer of a real engine.
func (e *Engine) serve(call string, answer http.HandlerFunc, w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.calls = append(e.calls, call)
	if filters, is := listed(call, r); is {
		e.lists = append(e.lists, call+" "+filters)
	}
	scripted := e.always[call]
	if queue := e.script[call]; len(queue) > 0 {
		scripted, e.script[call] = queue[0], queue[1:]
	}
	e.mu.Unlock()
	if scripted == nil {
		answer(w, r)
		return
	}
	scripted(e, w, r, answer)
}

// Script sets the answers to the next calls in order, one answer each. nil stands for the
// answer of a real engine. A call is a pattern like "POST /containers/{id}/start".
func (e *Engine) Script(call string, answers ...Answer) {
	e.known(call)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.script[call] = append(e.script[call], answers...)
}

// Always sets the answer to every call beyond the scripted answers.
func (e *Engine) Always(call string, answer Answer) {
	e.known(call)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always[call] = answer
}

// known panics for a misspelt call, whose answer nobody would ever get.
func (e *Engine) known(call string) {
	if _, ok := e.api()[call]; !ok {
		panic(fmt.Sprintf("fakeengine: there is no call %q", call))
	}
}

// Calls returns all calls so far, in order.
func (e *Engine) Calls() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Restart lets the engine start again, as far as its default bridge tells.
func (e *Engine) Restart() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starts++
}

// Lists returns the expensive lists among the calls so far, each with its filters. For a list
// without ids and names an engine looks at every object.
func (e *Engine) Lists() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lists)
}

// listed tells whether a call asks for an expensive list, as in [Engine.Lists], and returns its
// filters.
func listed(call string, r *http.Request) (filters string, is bool) {
	if !slices.Contains([]string{"GET /containers/json", "GET /networks", "GET /volumes"}, call) {
		return "", false
	}
	f := filtersOf(r)
	if len(f["id"]) > 0 || len(f["name"]) > 0 {
		return "", false
	}
	return r.URL.Query().Get("filters"), true
}

// filtersOf are the filters of a request.
func filtersOf(r *http.Request) map[string]map[string]bool {
	var f map[string]map[string]bool
	if err := json.Unmarshal([]byte(r.URL.Query().Get("filters")), &f); err != nil {
		return nil
	}
	return f
}

// Count tells how often a call was made.
func (e *Engine) Count(call string) int {
	n := 0
	for _, c := range e.Calls() {
		if c == call {
			n++
		}
	}
	return n
}

// Forced tells how often a client wanted a volume removed by force.
func (e *Engine) Forced() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forced
}

// Objects returns the names of all objects: containers, then volumes, then networks.
func (e *Engine) Objects() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var names []string
	for _, c := range e.containers {
		names = append(names, "container "+c.Name)
	}
	for _, v := range e.volumes {
		names = append(names, "volume "+v.Name)
	}
	for _, n := range e.networks {
		names = append(names, "network "+n.Name)
	}
	return names
}

// id makes an id; e.mu is held.
func (e *Engine) id() string {
	e.serial++
	return fmt.Sprintf("%012x%052x", e.serial, 0) // short ids differ, too
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func refuse(w http.ResponseWriter, status int, message string) {
	reply(w, status, map[string]string{"message": message})
}

// matches applies the label filters of a request.
func matches(r *http.Request, labels map[string]string) bool {
	for want := range filtersOf(r)["label"] {
		key, value, pair := strings.Cut(want, "=")
		got, there := labels[key]
		if !there || pair && got != value {
			return false
		}
	}
	return true
}

// named applies the name filters of a request, which are regular expressions.
func named(r *http.Request, name string) bool {
	f := filtersOf(r)["name"]
	for want := range f {
		if found, err := regexp.MatchString(want, name); err == nil && found {
			return true
		}
	}
	return len(f) == 0
}

// identified applies the id filters of a request, which are beginnings of ids.
func identified(r *http.Request, id string) bool {
	f := filtersOf(r)["id"]
	for want := range f {
		if strings.HasPrefix(id, want) {
			return true
		}
	}
	return len(f) == 0
}
