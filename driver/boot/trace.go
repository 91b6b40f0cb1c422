package boot

import (
	"bufio"
	"bytes"
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"gitlab-dind-executor/driver/engine"
)

// bootSteps are parts of log lines of containerd and dockerd during a boot, in their order. Each
// comes with the name of the phase that the line ends.
var bootSteps = [][2]string{
	{"Starting up", "boot: entrypoint and containerd"},
	{"Loading containers: start", "boot: dockerd until its storage is ready"},
	{"Loading containers: done", "boot: networks and containers"},
	{"API listen on", "boot: until the API listens"},
}

// traceBoot adds the phases of the inner daemon's boot to a timeline, from its own log. Without a
// timeline nothing is asked.
func (b *Boots) traceBoot(ctx context.Context, c engine.Details) {
	if !trace.SpanFromContext(ctx).IsRecording() || c.Started.IsZero() {
		return
	}
	begin := c.Started
	stream, err := b.eng.Log(ctx, c.ID, engine.LogOptions{Timestamps: true})
	if err != nil {
		return
	}
	defer stream.Close()
	var log bytes.Buffer
	_ = stream.CopyMost(&log, 1<<20)
	lines := bufio.NewScanner(&log)
	for lines.Scan() {
		stamp, line, _ := strings.Cut(lines.Text(), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			continue
		}
		for _, step := range bootSteps {
			if strings.Contains(line, step[0]) {
				_, s := otel.Tracer("").Start(ctx, step[1], trace.WithTimestamp(begin))
				s.End(trace.WithTimestamp(at))
				begin = at
			}
		}
	}
}
