// Package local is a stand-in for GitLab Runner: it takes a payload and drives
// the driver's hooks as the Runner's custom executor does, with the same
// arguments, environment, files, signals, retries and verdicts. The try command,
// the end-to-end tests and the benchmark run jobs with it where no GitLab is at hand.
//
// It plays the other side of the wire and must not share an error with the
// driver: it imports the standard library and
// gitlab.com/gitlab-org/gitlab-runner/executors/custom/api (the type of the
// config hook's answer), and nothing of this project.
//
// Where it departs from the Runner:
//   - a cancelled context, which stands for the Runner being shut down, stops
//     prepare too; the Runner looks at its signals only after prepare
//   - Wait returns when the last hook has ended, even where the Runner reports
//     the job earlier; Result.Finished says when that was
//   - no remote cache, no secrets resolved by the Runner, no step-runner
package local
