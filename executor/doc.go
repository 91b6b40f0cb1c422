// Package executor is GitLab's side: the command line, the four hooks that
// GitLab Runner calls, exit codes, the payload and the job log.
//
// It may import executor/doctor, executor/runnerconfig, executor/telemetry, driver,
// driver/plan, config and fault; for try, executor/pipeline,
// executor/forge and executor/local, the stand-in for GitLab Runner.
package executor
