// Package monitoring tests Prometheus with the program's metrics. It tests the alert rules and
// the dashboard of scripts/monitoring, too. It needs Prometheus, which scripts/prometheus
// fetches, and no engine.
package monitoring
