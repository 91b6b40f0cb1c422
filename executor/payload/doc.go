// Package payload reads the job as GitLab sent it, and the environment of the Runner's call
// of a hook. From both the package makes the job for a plan. The package knows whose job it
// is, and which values are secrets.
//
// It may import executor/featureflags, executor/runnerconfig, driver/plan, fault and
// hostfile.
package payload
