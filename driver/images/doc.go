// Package images gets images to an engine: each once for a job, in order of its pull
// policies, after its registry was asked with the job's own credentials.
//
// It may import driver/engine, driver/label, driver/plan, driver/registry,
// driver/span, config and fault.
package images
