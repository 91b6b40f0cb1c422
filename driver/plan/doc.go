// Package plan decides what a job gets: settings, a job and facts about the
// host go in, a full description of the sandbox and the job's containers comes
// out. Everything is decided here before anything is touched.
//
// It is pure: no Docker client, no clock, no environment, no files.
//
// It may import config and fault.
package plan
