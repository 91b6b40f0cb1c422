package telemetry

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"gitlab-dind-executor/pattern"
)

// Recorder collects the spans of a call of the program. OpenTelemetry's libraries, the
// Docker client's among them, use the recorder as their tracer. Where nobody asked for
// spans there is no recorder, and the libraries do nothing.
type Recorder struct {
	noop.TracerProvider
	mu    sync.Mutex
	spans []*recorded
	lanes []*recorded
}

// mostSpans bounds the spans of a call that lasts for hours.
const mostSpans = 5000

// recorded is a span under way or ended.
type recorded struct {
	noop.Span
	of *Recorder
	Finished
}

// Finished is a span.
type Finished struct {
	Name       string
	Args       map[string]any
	Begin, End time.Time
	// Parent is the index of the surrounding span, -1 for none.
	Parent int
	// Lane is a row of a picture: spans that overlap have different lanes.
	Lane int
	// Failed tells whether the span ended with an error.
	Failed bool

	index int
}

// Spans returns the collected spans, in the order of their starts. Spans under way end now.
func (r *Recorder) Spans() []Finished {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	var list []Finished
	for _, s := range r.spans {
		f := s.Finished
		f.Args = maps.Clone(f.Args) // a goroutine that outlives its caller may still write
		if f.End.IsZero() {
			f.End = now
		}
		list = append(list, f)
	}
	return list
}

// Tracer returns the recorder itself.
func (r *Recorder) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{of: r} }

type tracer struct {
	noop.Tracer
	of *Recorder
}

// Start begins a span.
func (t tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	return t.of.Start(ctx, name, opts...)
}

// Start begins a span.
func (r *Recorder) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	config := trace.NewSpanStartConfig(opts...)
	s := &recorded{of: r, Finished: Finished{Begin: config.Timestamp(), Parent: -1}}
	if s.Begin.IsZero() {
		s.Begin = time.Now()
	}
	if parent, ok := trace.SpanFromContext(ctx).(*recorded); ok && parent.of == r {
		s.Parent = parent.index
	}
	s.Name, s.Args = spanName(name)
	s.SetAttributes(config.Attributes()...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spans) >= mostSpans {
		return ctx, noop.Span{}
	}
	s.index = len(r.spans)
	r.spans = append(r.spans, s)
	for i, busy := range r.lanes {
		if busy == nil || !busy.Finished.End.IsZero() && !busy.Finished.End.After(s.Begin) {
			s.Lane, r.lanes[i] = i, s
			return trace.ContextWithSpan(ctx, s), s
		}
	}
	s.Lane, r.lanes = len(r.lanes), append(r.lanes, s)
	return trace.ContextWithSpan(ctx, s), s
}

// End ends a span.
func (s *recorded) End(opts ...trace.SpanEndOption) {
	config := trace.NewSpanEndConfig(opts...)
	end := config.Timestamp()
	if end.IsZero() {
		end = time.Now()
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.Finished.End.IsZero() {
		s.Finished.End = end
	}
}

// IsRecording is true, so callers compute their attributes.
func (s *recorded) IsRecording() bool { return true }

// TracerProvider is for spans below this span.
func (s *recorded) TracerProvider() trace.TracerProvider { return s.of }

// SetStatus keeps whether the span failed. The description is dropped, since it may hold
// anything.
func (s *recorded) SetStatus(code codes.Code, _ string) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.Failed = code == codes.Error
}

// SetAttributes keeps our own attributes. HTTP's attributes hold whole URLs, and are
// dropped.
func (s *recorded) SetAttributes(attrs ...attribute.KeyValue) {
	for _, a := range attrs {
		if key, ours := strings.CutPrefix(string(a.Key), "dind."); ours {
			s.of.mu.Lock()
			s.Args[key] = a.Value.AsInterface()
			s.of.mu.Unlock()
		}
	}
}

var (
	engineCall = pattern.New(`^([A-Z]+) (?:/v[0-9.]+)?(/[^?]*)`)
	engineID   = pattern.New(`^/(containers|networks|volumes|exec)/([^/]+)(/.*)?$`)
	engineName = pattern.New(`^/(images)/(.+?)(/json|/push|/tag)?$`)
)

// spanName makes a template of a call's path, as in the documentation of the engine's API.
// args has the call's object. Nothing of the query stays.
func spanName(name string) (string, map[string]any) {
	args := map[string]any{}
	m := engineCall.FindStringSubmatch(name)
	if m == nil {
		return name, args
	}
	path := m[2]
	for _, about := range []*pattern.Pattern{engineID, engineName} {
		p := about.FindStringSubmatch(path)
		if p == nil || slices.Contains([]string{"create", "json", "prune"}, p[2]) {
			continue
		}
		args["about"] = p[2]
		path = "/" + p[1] + "/{id}" + p[3]
	}
	return m[1] + " " + path, args
}
