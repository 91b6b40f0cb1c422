// Package images gets images to an engine: each once for a job, in order of its pull
// policies, after its registry was asked with the job's own credentials.
package images
