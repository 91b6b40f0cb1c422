// Package executor is GitLab's side: the command line, the four hooks that
// GitLab Runner calls, exit codes, the payload and the job log.
//
// It may import driver, driver/plan, config, fault and executor/telemetry.
package executor
