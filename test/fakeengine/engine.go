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
	// Host is its address in the form of DOCKER_HOST.
	Host string

	// OnStart is called when a container starts; it may let it exit. Set it
	// before the engine is used.
	OnStart func(*Container)
	// OnScript is what a container does with all that came on its stdin: it prints
	// and ends with a code.
	OnScript func(script string) (output string, code int)
	// OnProgram is what the executor's own program does in a container of its own:
	// it ends with a code. Without it the code is 0.
	OnProgram func(*Container) (code int)
	// ExecOutput is what every command in a container prints.
	ExecOutput string
	// Processes are the command lines of what runs in every container.
	Processes []string
	// ExecCode is the exit code of every command in a container.
	ExecCode int
	// DataRoot is where it says that it keeps its data.
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
	// starts counts those of the engine: each makes the default bridge anew.
	starts int
	// forced counts the volumes that somebody wanted removed by force.
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

// Close ends the engine and whatever hangs in it. It may be called twice.
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

// serve notes a call and answers it: as scripted, else as an engine would.
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

// Script lets the next calls be answered in order, one answer each; nil stands
// for what an engine would say. A call is a pattern like
// "POST /containers/{id}/start".
func (e *Engine) Script(call string, answers ...Answer) {
	e.known(call)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.script[call] = append(e.script[call], answers...)
}

// Always lets every call be answered so, beyond what is scripted.
func (e *Engine) Always(call string, answer Answer) {
	e.known(call)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.always[call] = answer
}

// known catches a misspelt call, which would never be answered so.
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

// Lists returns the lists that somebody has asked for so far, each with its filters,
// for which an engine looks at all that there is: neither ids nor names were given.
func (e *Engine) Lists() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lists)
}

// listed tells of such a list.
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

// Forced tells how often somebody wanted a volume removed by force.
func (e *Engine) Forced() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forced
}

// Objects returns the names of all that there is: containers, then volumes,
// then networks.
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
