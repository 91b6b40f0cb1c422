// Package images gets images to an engine, each once for a job. The job's pull policies decide
// the order of attempts. Registries are asked with the job's own credentials.
//
// It may import driver/engine, driver/label, driver/plan, driver/registry,
// driver/span, config and fault.
package images
