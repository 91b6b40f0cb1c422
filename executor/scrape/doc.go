// Package scrape is what Prometheus gets: the operator's log counted, and what there is
// on the engine now.
//
// It may import executor/access, executor/joblog, executor/telemetry, driver,
// driver/label, driver/mirror, config and fault.
package scrape
