// Package payload is the job as GitLab sent it, whose job it is, and the environment
// that the Runner calls a hook with. It makes of both what a plan needs, and knows
// which of their values are secrets.
//
// It may import executor/featureflags, executor/runnerconfig, driver/plan, fault and hostfile.
package payload
