package executor

import (
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// printMetrics writes metrics in Prometheus's text format.
func printMetrics(w io.Writer, r prometheus.Gatherer) error {
	families, err := r.Gather()
	if err != nil {
		return fmt.Errorf("collecting metrics: %w", err)
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return fmt.Errorf("writing metrics: %w", err)
		}
	}
	return nil
}
