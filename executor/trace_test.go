package executor

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"gitlab-dind-executor/test/fakeengine"
)

// spansGot is the content of a collector.
type spansGot struct {
	mu       sync.Mutex
	spans    []*otlp.Span
	resource map[string]string
	raw      string
	// tokens are the posts' credentials.
	tokens []string
}

// newCollector starts a collector that answers with the given HTTP status.
func newCollector(t *testing.T, status int) (*spansGot, string) {
	t.Helper()
	c := &spansGot{resource: map[string]string{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(b, &req) != nil {
			t.Errorf("%s %s: no OTLP: %v", r.Method, r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw += string(b)
		c.tokens = append(c.tokens, r.Header.Get("Authorization"))
		for _, rs := range req.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				c.resource[a.Key] = a.Value.GetStringValue()
			}
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return c, s.URL
}

// named finds the spans with a name.
func (c *spansGot) named(name string) []*otlp.Span {
	var list []*otlp.Span
	for _, s := range c.spans {
		if s.Name == name {
			list = append(list, s)
		}
	}
	return list
}

func attribute(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

func TestTheHooksOfAJobAreOneTrace(t *testing.T) {
	const secret = "hunter2hunter2"
	payload := with(`"variables": [{"key": "PASSWORD", "value": "` + secret + `"}], "credentials": [{"type": "registry", "url": "docker.io", "username": "u", "password": "` + secret + `"}], `)
	got, url := newCollector(t, http.StatusOK)
	e := fakeengine.New(t)
	settings, _ := withLog(t, e, "[trace]\nendpoint = \"http://127.0.0.1:1\"\n"+alone) // the environment wins
	env := []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + url + "/", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20token-of-ours,x=y",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test", "CUSTOM_ENV_PASSWORD=" + secret, "CUSTOM_ENV_CI_JOB_STATUS=failed",
	}
	for _, h := range []string{"config", "prepare", "cleanup"} {
		code, stdout, log := hookWith(t, e, env, payload, "--settings", settings, h)
		if code != 0 {
			t.Fatalf("%s: exit code %d, %s", h, code, log)
		}
		var answer api.ConfigExecOutput
		if h == "config" {
			if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
				t.Fatal(err)
			}
			env = append(env, envStarted+"="+(*answer.JobEnv)[envStarted])
		}
	}
	// A process behind the hook.
	behind := []string{env[0], env[len(env)-1], envBehind + "=" + attribute(got.named("prepare")[0], "gitlab.job")}
	if code, _, log := hookWith(t, e, behind, payload, "--settings", settings, "gc"); code != 0 {
		t.Fatal(log)
	}

	// The process behind the cleanup is the fourth.
	if want := append(slices.Repeat([]string{"Bearer token-of-ours"}, 4), ""); !slices.Equal(got.tokens, want) {
		t.Errorf("posts with %q", got.tokens)
	}
	if strings.Contains(got.raw, secret) || slices.ContainsFunc(got.spans, func(s *otlp.Span) bool { return strings.Contains(s.Name, "?") }) {
		t.Errorf("it holds a secret, or a query:\n%q", got.raw)
	}
	if got.resource["service.name"] != "gitlab-dind-executor" || got.resource["deployment.environment"] != "test" || got.resource["host.name"] == "" {
		t.Errorf("resource %v", got.resource)
	}
	ids := map[string]*otlp.Span{}
	for _, s := range got.spans {
		ids[hex.EncodeToString(s.SpanId)] = s
		if string(s.TraceId) != string(got.spans[0].TraceId) || len(s.TraceId) != 16 || len(s.SpanId) != 8 {
			t.Errorf("%s is in another trace", s.Name)
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano == 0 {
			t.Errorf("%s from %d to %d", s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
	}
	jobs := got.named("job")
	if len(jobs) != 1 || len(jobs[0].ParentSpanId) != 0 || jobs[0].Status.Code != otlp.Status_STATUS_CODE_ERROR || attribute(jobs[0], "gitlab.job_id") != "1000" {
		t.Fatalf("the job's span: %v", jobs)
	}
	for _, name := range []string{"config", "prepare", "cleanup", "gc"} {
		s := got.named(name)
		if len(s) != 1 || string(s[0].ParentSpanId) != string(jobs[0].SpanId) {
			t.Errorf("%s is no child of the job's: %v", name, s)
		}
	}
	prepare := got.named("prepare")[0]
	for _, name := range []string{"phase: engine", "phase: plan", "phase: sandbox", "facts", "POST /containers/create", "POST /containers/{id}/start", "pull docker:dind"} {
		spans := got.named(name)
		if !slices.ContainsFunc(spans, func(s *otlp.Span) bool { return below(s, prepare, ids) }) {
			t.Errorf("no span %s below prepare: %v", name, spans)
		}
	}
	if got.named("POST /containers/create")[0].Kind != otlp.Span_SPAN_KIND_CLIENT {
		t.Error("a call of the engine is not marked as one")
	}
}

// below tells whether a span is part of another span.
func below(s, of *otlp.Span, ids map[string]*otlp.Span) bool {
	for range len(ids) {
		if s == of {
			return true
		}
		if s = ids[hex.EncodeToString(s.ParentSpanId)]; s == nil {
			return false
		}
	}
	return false
}

// A dead collector costs one hook its bound, and the log says so.
func TestACollectorThatFails(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes calls, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, refuses := newCollector(t, http.StatusUnauthorized)
	moved := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer moved.Close()
	for name, c := range map[string]struct {
		env  []string
		want string
	}{
		"silent":             {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://user:hunter2@" + silent.Addr().String(), "OTEL_EXPORTER_OTLP_TIMEOUT=200"}, "context deadline exceeded"},
		"not there":          {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, "connection refused"},
		"it refuses":         {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + refuses}, "the collector answers 401"},
		"it sends elsewhere": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + moved.URL}, "the collector answers 302"},
		"another protocol":   {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "only http/protobuf is spoken"},
		"no URL":             {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318"}, "is no URL like"},
		"no such CA":         {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:1", "OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			e := fakeengine.New(t)
			settings, file := withLog(t, e, alone)
			for range 2 {
				if code, _, log := hookWith(t, e, c.env, with(""), "--settings", settings, "cleanup"); code != 0 || log != "" {
					t.Errorf("exit code %d, said %q", code, log)
				}
			}
			list, raw := logged(t, file)
			if len(list) != 2 || !strings.Contains(list[0].TraceError, c.want) || strings.Contains(raw, "hunter2") || !strings.Contains(raw, `"level":"warn"`) {
				t.Errorf("no %q in %s", c.want, raw)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), collectorDown)); err == nil && list[1].TraceError != "" {
				t.Errorf("it was tried again at once: %s", raw)
			}
		})
	}
}

// Root's hooks and the Runner's share the note about a dead collector, and neither can
// write a note of the other's.
func TestANoteOfACollectorThatIsDownIsMadeAnew(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, alone)
	note := filepath.Join(filepath.Dir(file), collectorDown)
	if err := errors.Join(os.MkdirAll(filepath.Dir(note), 0o700), os.Symlink("/nowhere/note", note)); err != nil {
		t.Fatal(err) // root cannot write that either
	}
	for range 2 {
		if code, _, log := hookWith(t, e, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, with(""), "--settings", settings, "cleanup"); code != 0 {
			t.Fatal(log)
		}
	}
	if list, raw := logged(t, file); len(list) != 2 || list[0].TraceError == "" || list[1].TraceError != "" {
		t.Errorf("%s", raw)
	}
}

func TestNobodyWantsSpans(t *testing.T) {
	got, url := newCollector(t, http.StatusOK)
	e := fakeengine.New(t)
	settings, _ := withLog(t, e, alone)
	for _, env := range [][]string{
		nil,
		{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_SDK_DISABLED=true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_TRACES_EXPORTER=none"},
		{"CUSTOM_ENV_OTEL_EXPORTER_OTLP_ENDPOINT=" + url},
	} {
		if code, _, log := hookWith(t, e, env, with(""), "--settings", settings, "cleanup"); code != 0 {
			t.Error(log)
		}
	}
	if len(got.tokens) != 0 {
		t.Errorf("%d posts", len(got.tokens))
	}
}
