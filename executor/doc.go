// Package executor is GitLab's side: the command line, the four hooks that
// GitLab Runner calls, and exit codes.
//
// It may import its rooms, driver and its rooms, config, fault, group, wary, hostfile
// and pattern.
//
// # The life of a job
//
// Each hook is a process of its own. command.go makes the call and the tree of
// commands. operatorlog.go and trace.go note the beginning and the end of the call.
// exit.go turns the error of a command into an exit code known to the Runner, and
// hands on the numbers counted while a script ran.
//
// The Runner calls the hooks in this order:
//
//   - config: config.go prints a JSON answer. Through the environment it hands the
//     owner, the start and the digest of the settings on to the other hooks.
//   - prepare: prepare.go reads top down. load.go reads the settings and opens the
//     engine. Package payload reads the job as GitLab sent it, and makes a plan.Job
//     of it. Package access adds the passwords and the CAs of registries. plan.Build
//     decides, and driver.Prepare makes the sandbox. mirror.go finds the mirror.
//     The job need not wait for the rest, so behind.go starts this program again for
//     it. The rest is the end of a claim, fetch.go (newer images), pool.go (a sandbox
//     for the next job), and gc.go (the objects of dead jobs).
//   - run, once for each stage: run.go sends a script to the helper or to the job
//     container. booting.go runs the first script beside the boot of its daemon.
//     When a script fails, package diagnosis looks for the reason, and held.go
//     tells how to look inside.
//   - cleanup: cleanup.go writes the bundle of a failed job: package bundle. Package
//     redact hides the secrets. held.go may hold its sandbox. cleanup.go ends all
//     else. behind.go starts this program again for the removal. gc.go
//     removes volumes that resist, and old caches.
//
// Package joblog writes the lines for the author of the pipeline, in all hooks.
// Package progress shows the progress of prepull and seed at a terminal.
//
// # Beside jobs
//
// A command's file bears its name: gc.go, drain.go, doctor.go, seed.go and so on.
// Package visit looks a host over, and package doctor judges the findings. Package
// scrape collects the metrics for metrics.go. Package notice asks the cloud whether the
// cloud takes the host away, for drain.go. inside.go finds the container for
// logs.go and shell.go. status.go shows all sandboxes by package overview, and
// explain.go one job by package story. registerfrom.go reports on the keys of a
// docker executor's section. facts.go learns the facts of the host for a plan
// without a job, and plans the sandbox for the next job. incontainer.go has the
// commands for containers, without settings. renamed.go knows former names of
// flags. Package usage gives the help its groups and examples. contracts.go says which
// methods of the driver each of them uses, in which order, and which may run at once.
package executor
