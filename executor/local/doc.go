// Package local is a stand-in for GitLab Runner. The package takes a payload and
// drives the driver's hooks as the Runner's custom executor does. Arguments,
// environment, files, signals, retries and verdicts are the Runner's. The try
// command, the end-to-end tests and the benchmark run jobs with this package
// where no GitLab is at hand.
//
// The package plays the other side of the wire and must not share an error with
// the driver. So it imports the standard library and
// gitlab.com/gitlab-org/gitlab-runner/executors/custom/api (the type of the
// config hook's answer), and nothing of this project.
//
// Differences from the Runner:
//   - a cancelled context, which stands for a shutdown of the Runner, stops
//     prepare too; the Runner looks at its signals only after prepare
//   - Wait returns when the last hook has ended, even where the Runner reports
//     the job earlier; Result.Finished has the Runner's time
//   - no remote cache, no secrets resolved by the Runner, no step-runner
package local
