package executor

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/scrape"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// textfileBound lets a slow engine walk its volumes first and answer the rest then. Tests
// shorten the bound.
var textfileBound = scrape.MeasureBound

// metricsCommand tells Prometheus how jobs and the host fare.
func (c *call) metricsCommand() *cobra.Command {
	var textfile string
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "Print or serve metrics for Prometheus",
		Long: "Counts jobs from the operator's log ([log] in the settings), and asks the engine for its\n" +
			"present state. Without a command, metrics prints to stdout. With --textfile, metrics\n" +
			"writes a file for node_exporter. Run metrics as the user of the hooks.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if textfile != "" && !strings.HasSuffix(textfile, ".prom") {
				return fault.System(fmt.Errorf("--textfile %s: node_exporter reads files that end in .prom", textfile), "")
			}
			m, err := c.metrics()
			if err != nil {
				return err
			}
			walk, end := context.WithTimeout(cmd.Context(), textfileBound)
			m.Measure(walk)
			end()
			ctx, cancel := context.WithTimeout(cmd.Context(), textfileBound)
			defer cancel()
			r, err := m.Registry(ctx)
			if err != nil {
				return err
			}
			if textfile == "" {
				return scrape.Print(c.stdout, r)
			}
			var text bytes.Buffer
			err = scrape.Print(&text, r)
			if err == nil {
				err = hostfile.WriteFile(textfile, text.Bytes(), 0o644)
			}
			if err != nil {
				return fault.System(fmt.Errorf("writing %s: %w", filepath.Base(textfile), err), "name a file in node_exporter's --collector.textfile.directory that this user can write")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&textfile, "textfile", "", "write them to a `FILE` of node_exporter's textfile collector")
	cmd.AddCommand(c.metricsServe())
	return cmd
}

func (c *call) metricsServe() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the metrics to Prometheus until it is told to end",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := c.metrics()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
			if err != nil {
				return fault.System(fmt.Errorf("metrics: %w", err), "give another address with --listen, such as 127.0.0.1:9456")
			}
			fmt.Fprintf(c.stdout, "metrics at http://%s/metrics\n", l.Addr())
			return m.Serve(ctx, l)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9456", "the `ADDRESS` to listen on; the metrics are no secret, but need no strangers either")
	return cmd
}

// metrics returns the metrics that this user's settings allow.
func (c *call) metrics() (*scrape.Metrics, error) {
	s, err := c.load()
	if err != nil {
		return nil, err
	}
	l := c.operatorLog()
	if s.Log.Level == config.LogOff || l.Path == "" {
		c.log.Warn("there is no operator's log, so nothing is counted: see [log] in the settings")
		l.Path = ""
	}
	return scrape.New(s, c.log, l), nil
}
