package executor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/hostfile"
)

// envTrace names the timeline's file where --trace does not.
const envTrace = "GITLAB_DIND_EXECUTOR_TRACE"

const (
	// collectorRest is the pause after a collector's failure, so a dead collector costs one
	// hook its time, not each.
	collectorRest = 5 * time.Minute
	collectorDown = "collector-down"
)

// traced collects a command's spans if there is a use for them: a timeline, the operator's
// log, or a collector.
func (c *call) traced(cmd *cobra.Command) {
	file := cmp.Or(c.traceFile, c.env[envTrace])
	if info, err := os.Stat(file); file != "" && err == nil && info.IsDir() {
		name := driverName
		if p, err := payload.Read(c.env[envPayload]); err == nil {
			name = fmt.Sprintf("job-%d", p.ID)
		}
		file = filepath.Join(file, name+".json")
	}
	c.traceFile = file
	if c.record.Hook+c.record.Command != "" && !c.alone {
		c.collector, c.collectorFault = telemetry.NewCollector(func(key string) string { return c.env[key] }, c.settings().Trace.Endpoint)
	}
	if file == "" && c.collector == nil && c.settings().Log.Level != config.LogDebug {
		return
	}
	c.spans = &telemetry.Recorder{}
	otel.SetTracerProvider(c.spans)
	name := cmd.Name()
	if args := cmd.Flags().Args(); name == "run" && len(args) == 2 {
		name += " " + args[1]
	}
	c.rootSpan, _ = c.spans.Start(cmd.Context(), name, trace.WithTimestamp(c.began))
	cmd.SetContext(c.rootSpan)
}

// phaseSpan records the span of a phase.
func (c *call) phaseSpan(phase string, begin, end time.Time) {
	if c.spans != nil {
		_, s := c.spans.Start(c.rootSpan, "phase: "+phase, trace.WithTimestamp(begin))
		s.End(trace.WithTimestamp(end))
	}
}

// export sends the spans to the collector. The operator gets the errors.
func (c *call) export(r telemetry.Record, spans []telemetry.Finished) error {
	if c.collector == nil {
		return c.collectorFault
	}
	var state *hostfile.Dir
	if l := c.operatorLog(); l.Path != "" {
		if dir, err := hostfile.OpenOrMake(filepath.Dir(l.Path)); err == nil {
			defer dir.Close()
			state = dir
		}
	}
	if state != nil {
		if told, err := state.Modified(collectorDown); err == nil && time.Since(told).Abs() < collectorRest {
			return nil
		}
	}
	err := c.collector.Export(context.Background(), r, c.env[envStarted], spans)
	switch {
	case state == nil:
	case err != nil:
		_ = state.Write(collectorDown, nil, 0o600) // else the next hook tries, too
	default:
		_ = state.Remove(collectorDown)
	}
	return err
}

// endTrace writes the timeline and returns the collected spans.
func (c *call) endTrace() []telemetry.Finished {
	if c.spans == nil {
		return nil
	}
	otel.SetTracerProvider(noop.NewTracerProvider())
	spans := c.spans.Spans()
	if c.traceFile != "" {
		if err := telemetry.AppendTimeline(c.traceFile, spans); err != nil {
			c.log.Warn("no timeline is written: " + err.Error())
		}
	}
	return spans
}
