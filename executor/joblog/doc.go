// Package joblog writes our lines in a job's log for the author of the pipeline. They are
// about progress, errors with hints, and the work of the job's docker daemon.
//
// It may import driver/images, driver/looking, driver/plan, driver/stages, config, fault
// and wary.
package joblog
