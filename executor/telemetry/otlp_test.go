package telemetry

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	otlp "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// An error may hold a container's output, with any bytes. protobuf takes valid text alone,
// and a single broken word would cost the call all of its spans.
func TestBytesThatAreNoTextCostNoSpans(t *testing.T) {
	const broken = "dockerd: \xff\xfe\x80 no"
	c, err := NewCollector(func(string) string { return "" }, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	c.resource["deployment.environment"] = broken
	r := Record{
		Hook: "cleanup", Job: "gitlab.example.com/7", Ref: broken, Stage: broken, ColdReason: broken, Docker: broken,
		Result: Failed, Class: OfSystem, Error: broken, JobStatus: Failed,
	}
	spans := []Finished{
		{Name: "cleanup", Begin: time.Now(), End: time.Now(), Parent: -1, Failed: true},
		{Name: "image " + broken, Begin: time.Now(), End: time.Now(), Args: map[string]any{"about": broken}},
	}
	b, err := proto.Marshal(c.request(r, "", spans))
	if err != nil {
		t.Fatal(err)
	}
	var got otlp.ExportTraceServiceRequest
	if err := proto.Unmarshal(b, &got); err != nil || len(got.ResourceSpans[0].ScopeSpans[0].Spans) != 3 {
		t.Errorf("%v, %v", err, got.ResourceSpans)
	}
	if text := got.ResourceSpans[0].ScopeSpans[0].Spans[0].Status.Message; text != "dockerd: \uFFFD no" {
		t.Errorf("the error is %q", text)
	}
}

func TestWhatIsKeptOfAText(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"all of it":               {"täxt", "täxt"},
		"but for what is no text": {"a\xffb", "a\uFFFDb"},
		"a long one":              {strings.Repeat("x", longest+1), strings.Repeat("x", longest) + "…"},
		"half a letter":           {strings.Repeat("x", longest-1) + "ä", strings.Repeat("x", longest-1) + "…"},
		"a long one of no text":   {strings.Repeat("\x80", 2*longest), "\uFFFD"},
	} {
		if got := Clip(c.text); got != c.want || !utf8.ValidString(got) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
