// Package plan decides about all parts of a job's sandbox before any part is made. Its
// input is settings, a job, and facts about the host. Its output is a full description of
// the sandbox and of the job's containers.
//
// The package is pure: no Docker client, no clock, no environment, no files.
//
// It may import config, fault and pattern.
package plan
