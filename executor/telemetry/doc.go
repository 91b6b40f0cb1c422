// Package telemetry keeps the records for operators: the operator's log, the metrics made
// from this log, and the spans of a call.
//
// The package knows neither GitLab nor the engine: callers pass all content.
//
// It may import hostfile, pattern and wary.
package telemetry
