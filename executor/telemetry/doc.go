// Package telemetry is what the program tells those who run it: the operator's
// log, the metrics that are made from it, and the spans of a call.
//
// It knows neither GitLab nor the engine: what it writes is given to it.
//
// It may import hostfile and wary.
package telemetry
