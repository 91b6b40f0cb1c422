// Package joblog is what the author of a pipeline reads of us: the lines in the log
// of a job, and what its docker daemon did.
//
// It may import driver/images, driver/looking, driver/plan,
// driver/stages, fault and wary.
package joblog
