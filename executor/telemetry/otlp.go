package telemetry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"gitlab-dind-executor/pattern"
	"gitlab-dind-executor/wary"
)

// Export sends the spans of a call. All calls of a job are in the same trace, below a span
// for the job, which its cleanup sends. The ids follow from the job's identity and from
// started, the config hook's record of the job's start. So no process has to know of
// another.
func (c *Collector) Export(ctx context.Context, r Record, started string, spans []Finished) error {
	if len(spans) == 0 {
		return nil
	}
	body, err := proto.Marshal(c.request(r, started, spans))
	if err != nil {
		return fmt.Errorf("encoding spans: %w", err)
	}
	return c.send(ctx, body)
}

func (c *Collector) request(r Record, started string, spans []Finished) *collector.ExportTraceServiceRequest {
	attributes := maps.Clone(c.resource)
	attributes["service.version"] = r.Version
	if host, err := os.Hostname(); err == nil && attributes["host.name"] == "" {
		attributes["host.name"] = host
	}
	return &collector.ExportTraceServiceRequest{ResourceSpans: []*otlp.ResourceSpans{{
		Resource: &resource.Resource{Attributes: texts(attributes)},
		ScopeSpans: []*otlp.ScopeSpans{{
			Scope: &common.InstrumentationScope{Name: "gitlab-dind-executor", Version: r.Version},
			Spans: spansOf(r, started, spans),
		}},
	}}}
}

// spansOf makes a call's spans, and the job's span with its cleanup.
func spansOf(r Record, started string, spans []Finished) []*otlp.Span {
	job := r.Job
	if r.Behind != "" {
		job = r.Behind
	}
	trace, parent := random(16), []byte(nil)
	if job != "" {
		trace, parent = derived("trace", job, "", 16), derived("job", job, started, 8)
	}
	ids := make([][]byte, len(spans))
	var list []*otlp.Span
	for i, s := range spans {
		ids[i] = random(8)
		span := &otlp.Span{
			TraceId: trace, SpanId: ids[i], ParentSpanId: parent, Name: Clip(Scrub(s.Name)), Kind: kindOf(s.Name),
			StartTimeUnixNano: nano(s.Begin), EndTimeUnixNano: nano(s.End), Status: status(s.Failed, ""),
		}
		switch {
		case i == 0:
			span.Attributes, span.Status = r.attributes(), status(r.Class != "", r.Error)
		case s.Parent >= 0 && s.Parent < i:
			span.ParentSpanId = ids[s.Parent]
		default:
			span.ParentSpanId = ids[0]
		}
		if about, ok := s.Args["about"].(string); ok {
			span.Attributes = append(span.Attributes, text("about", Clip(Scrub(about))))
		}
		list = append(list, span)
	}
	if r.Hook == "cleanup" && job != "" {
		begin, err := time.Parse(time.RFC3339Nano, started)
		if err != nil || begin.After(spans[0].Begin) {
			begin = spans[0].Begin
		}
		list = append(list, &otlp.Span{
			TraceId: trace, SpanId: parent, Name: "job", Kind: otlp.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: nano(begin), EndTimeUnixNano: nano(spans[0].End), Attributes: r.attributes(), Status: status(r.JobStatus == Failed, ""),
		})
	}
	return list
}

// attributes are the fields by which people find a call.
func (r Record) attributes() []*common.KeyValue {
	all := map[string]string{
		"gitlab.job": r.Job, "gitlab.project": r.Project, "gitlab.ref": r.Ref, "gitlab.commit": r.Commit, "gitlab.job_status": r.JobStatus,
		"hook": r.Hook, "command": r.Command, "stage": r.Stage, "behind": r.Behind, "sandbox": r.Sandbox, "origin": r.Origin,
		"cold_reason": r.ColdReason, "docker": r.Docker, "result": r.Result, "class": r.Class,
	}
	for key, value := range all {
		if all[key] = Clip(value); value == "" {
			delete(all, key)
		}
	}
	if r.JobID != 0 {
		all["gitlab.job_id"] = fmt.Sprint(r.JobID)
	}
	return texts(all)
}

func texts(m map[string]string) []*common.KeyValue {
	var list []*common.KeyValue
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, text(key, m[key]))
	}
	return list
}

// text is an attribute in valid UTF-8: otherwise protobuf would encode nothing at all.
func text(key, value string) *common.KeyValue {
	key, value = wary.Text(key), wary.Text(value)
	return &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}}
}

func status(failed bool, message string) *otlp.Status {
	if failed {
		return &otlp.Status{Code: otlp.Status_STATUS_CODE_ERROR, Message: Clip(message)}
	}
	return &otlp.Status{}
}

var httpCall = pattern.New(`^[A-Z]+ /`)

// kindOf tells calls to the engine from our own spans.
func kindOf(name string) otlp.Span_SpanKind {
	if httpCall.MatchString(name) {
		return otlp.Span_SPAN_KIND_CLIENT
	}
	return otlp.Span_SPAN_KIND_INTERNAL
}

func nano(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// derived returns an id that every process computes alike.
func derived(what, job, started string, n int) []byte {
	sum := sha256.Sum256([]byte(what + "\x00" + job + "\x00" + started))
	return sum[:n]
}
