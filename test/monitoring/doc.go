// Package monitoring tests what Prometheus makes of the program's metrics, and
// the alert rules and the dashboard of scripts/monitoring against them. It needs
// Prometheus, which scripts/prometheus fetches, and no engine.
package monitoring
