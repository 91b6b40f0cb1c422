// Package scrape makes the metrics for Prometheus from the operator's log and from the
// present state of the engine.
//
// It may import executor/access, executor/joblog, executor/telemetry, driver, driver/label,
// driver/mirror, config and fault.
package scrape
