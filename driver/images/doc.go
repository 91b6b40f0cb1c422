// Package images gets images to an engine, each once for a job. The job's pull policies decide
// the order of attempts. Registries are asked with the job's own credentials. The job container starts
// only after the answer about its image.
//
// It may import driver/engine, driver/label, driver/plan, driver/registry,
// driver/span, config and fault.
package images
