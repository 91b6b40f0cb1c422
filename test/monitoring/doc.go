// Package monitoring tests Prometheus with the program's metrics, and the alert rules and the
// dashboard of scripts/monitoring. The tests need Prometheus, which scripts/prometheus fetches,
// and no engine.
package monitoring
