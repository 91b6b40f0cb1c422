package executor

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/telemetry"
)

// envTrace names the timeline's file where --trace does not.
const envTrace = "GITLAB_DIND_EXECUTOR_TRACE"

// traced lets a command's spans be collected if somebody wants them: a timeline,
// or the operator's log.
func (c *call) traced(cmd *cobra.Command) {
	file := cmp.Or(c.traceFile, c.env[envTrace])
	if info, err := os.Stat(file); file != "" && err == nil && info.IsDir() {
		name := driverName
		if p, err := readPayload(c.env[envPayload]); err == nil {
			name = fmt.Sprintf("job-%d", p.ID)
		}
		file = filepath.Join(file, name+".json")
	}
	c.traceFile = file
	if file == "" && c.settings().Log.Level != config.LogDebug {
		return
	}
	c.spans = &telemetry.Recorder{}
	otel.SetTracerProvider(c.spans)
	name := cmd.Name()
	if args := cmd.Flags().Args(); name == "run" && len(args) == 2 {
		name += " " + args[1]
	}
	ctx, _ := c.spans.Start(cmd.Context(), name)
	cmd.SetContext(ctx)
}

// endTrace writes the timeline and returns what was collected.
func (c *call) endTrace() []telemetry.Finished {
	if c.spans == nil {
		return nil
	}
	otel.SetTracerProvider(noop.NewTracerProvider())
	spans := c.spans.Spans()
	if c.traceFile != "" {
		if err := telemetry.AppendTimeline(c.traceFile, spans); err != nil {
			c.log.warn("no timeline is written: " + err.Error())
		}
	}
	return spans
}
