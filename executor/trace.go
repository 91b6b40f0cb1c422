package executor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// envTrace names the timeline's file where --trace does not.
const envTrace = "GITLAB_DIND_EXECUTOR_TRACE"

// timeline collects the spans of one call of the program and appends them to a
// file in Chrome's trace-event format, which Perfetto opens. It stands where
// OpenTelemetry's libraries look for a tracer, the Docker client's among them:
// without --trace there is none, and they do nothing.
type timeline struct {
	noop.TracerProvider
	file string

	mu    sync.Mutex
	spans []*timedSpan
	lanes []*timedSpan
}

// timedSpan is one span. Its lane is a row of the picture: spans that overlap
// are in different ones.
type timedSpan struct {
	noop.Span
	of         *timeline
	name       string
	args       map[string]any
	begin, end time.Time
	lane       int
}

// traced lets a command write a timeline if that is asked for.
func (c *call) traced(cmd *cobra.Command) error {
	file := cmp.Or(c.traceFile, c.env[envTrace])
	if file == "" {
		return nil
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		name := "gitlab-dind-executor"
		if p, err := readPayload(c.env[envPayload]); err == nil {
			name = fmt.Sprintf("job-%d", p.ID)
		}
		file = filepath.Join(file, name+".json")
	}
	c.timeline = &timeline{file: file}
	otel.SetTracerProvider(c.timeline)
	name := cmd.Name()
	if args := cmd.Flags().Args(); name == "run" && len(args) == 2 {
		name += " " + args[1]
	}
	ctx, _ := c.timeline.Start(cmd.Context(), name)
	cmd.SetContext(ctx)
	return nil
}

// endTrace writes what was collected.
func (c *call) endTrace() {
	if c.timeline == nil {
		return
	}
	otel.SetTracerProvider(noop.NewTracerProvider())
	if err := c.timeline.write(); err != nil {
		c.log.warn("no timeline is written: " + err.Error())
	}
}

// Tracer returns the timeline itself.
func (t *timeline) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{of: t} }

type tracer struct {
	noop.Tracer
	of *timeline
}

// Start begins a span.
func (t tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	return t.of.Start(ctx, name, opts...)
}

// Start begins a span.
func (t *timeline) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(opts...)
	s := &timedSpan{of: t, begin: config.Timestamp()}
	if s.begin.IsZero() {
		s.begin = time.Now()
	}
	s.name, s.args = spanName(name)
	s.SetAttributes(config.Attributes()...)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spans = append(t.spans, s)
	for i, busy := range t.lanes {
		if busy == nil || !busy.end.IsZero() && !busy.end.After(s.begin) {
			s.lane, t.lanes[i] = i, s
			return trace.ContextWithSpan(ctx, s), s
		}
	}
	s.lane, t.lanes = len(t.lanes), append(t.lanes, s)
	return trace.ContextWithSpan(ctx, s), s
}

// End ends a span.
func (s *timedSpan) End(opts ...trace.SpanEndOption) {
	config := trace.NewSpanEndConfig(opts...)
	end := config.Timestamp()
	if end.IsZero() {
		end = time.Now()
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.end.IsZero() {
		s.end = end
	}
}

// IsRecording tells those who would have to ask for what they tell.
func (s *timedSpan) IsRecording() bool { return true }

// TracerProvider is for spans below this one.
func (s *timedSpan) TracerProvider() trace.TracerProvider { return s.of }

// SetAttributes takes ours. Those of HTTP hold whole URLs.
func (s *timedSpan) SetAttributes(attrs ...attribute.KeyValue) {
	for _, a := range attrs {
		if key, ours := strings.CutPrefix(string(a.Key), "dind."); ours {
			s.of.mu.Lock()
			s.args[key] = a.Value.AsInterface()
			s.of.mu.Unlock()
		}
	}
}

var (
	engineCall = regexp.MustCompile(`^([A-Z]+) (?:/v[0-9.]+)?(/[^?]*)`)
	engineID   = regexp.MustCompile(`^/(containers|networks|volumes|exec)/([^/]+)(/.*)?$`)
	engineName = regexp.MustCompile(`^/(images)/(.+?)(/json|/push|/tag)?$`)
)

// spanName makes a call's path a template, as the engine's API is documented:
// what it is about is beside, and nothing of the query is.
func spanName(name string) (string, map[string]any) {
	args := map[string]any{}
	m := engineCall.FindStringSubmatch(name)
	if m == nil {
		return name, args
	}
	path := m[2]
	for _, about := range []*regexp.Regexp{engineID, engineName} {
		p := about.FindStringSubmatch(path)
		if p == nil || slices.Contains([]string{"create", "json", "prune"}, p[2]) {
			continue
		}
		args["about"] = p[2]
		path = "/" + p[1] + "/{id}" + p[3]
	}
	return m[1] + " " + path, args
}

// event is one entry of the file; times are in microseconds.
type event struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	Time  int64          `json:"ts"`
	Took  int64          `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	Lane  int            `json:"tid"`
	Args  map[string]any `json:"args,omitempty"`
}

// write appends the spans. The format is an array whose end may be missing,
// which is what lets several hooks write one file. What has not ended ends now.
func (t *timeline) write() (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out bytes.Buffer
	add := func(e event) {
		b, jsonErr := json.Marshal(e)
		if jsonErr != nil {
			err = jsonErr
		}
		out.WriteString(",\n")
		out.Write(b)
	}
	pid := os.Getpid()
	if len(t.spans) > 0 {
		add(event{Name: "process_name", Phase: "M", PID: pid, Args: map[string]any{"name": t.spans[0].name}})
	}
	now := time.Now()
	for _, s := range t.spans {
		end := s.end
		if end.IsZero() {
			end = now
		}
		add(event{
			Name: s.name, Phase: "X", Time: s.begin.UnixMicro(), Took: max(1, end.Sub(s.begin).Microseconds()),
			PID: pid, Lane: s.lane, Args: s.args,
		})
	}
	if err != nil {
		return err
	}
	return appendTo(t.file, out.Bytes())
}

// appendTo puts ",\n…" behind what is in a JSON array without an end, or begins
// one. Other hooks may be about to.
func appendTo(name string, events []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		events[0] = '['
	}
	_, err = f.Write(events)
	return err
}
