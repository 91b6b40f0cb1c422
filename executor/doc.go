// Package executor is GitLab's side: the command line, the four hooks that
// GitLab Runner calls, and exit codes.
//
// It may import its rooms, driver and its rooms, config, fault, group, wary and
// hostfile.
//
// # The life of a job
//
// Each hook is a process of its own. command.go makes the call and the tree of
// commands. operatorlog.go and trace.go note when the call begins and how it ends.
// exit.go turns the error of a command into the exit code that the Runner knows, and
// hands on what was counted while a script ran.
//
// The Runner calls the hooks in this order:
//
//   - config: config.go prints a JSON answer. It hands the owner, the start and the
//     digest of the settings on to the other hooks, by their environment.
//   - prepare: prepare.go reads top down. load.go reads the settings and opens the
//     engine. Package payload reads the job as GitLab sent it, and makes a plan.Job of it.
//     Package access adds the passwords and the CAs of registries. plan.Build decides,
//     and driver.Prepare makes the sandbox. mirror.go finds the mirror for it.
//     The job need not wait for the rest: behind.go starts this program again for
//     the end of a claim, fetch.go (newer images), pool.go (a sandbox for the next job),
//     and gc.go (what others left).
//   - run, once for each stage: run.go sends a script to the helper or to the job
//     container. The first may run beside the boot of its daemon: booting.go. When a script fails, package diagnosis looks for the reason, and held.go
//     tells how to look inside.
//   - cleanup: cleanup.go writes the bundle of a failed job (package bundle, without the
//     secrets that package redact hides) or holds its sandbox (held.go), then ends
//     all else. behind.go starts this program again to remove it. gc.go is for what
//     resists, and for what is cached too long.
//
// Package joblog writes the lines that the author of the pipeline reads, in all hooks.
//
// # Beside jobs
//
// A command's file bears its name: gc.go, drain.go, doctor.go, seed.go and so on.
// Package visit looks a host over, and package doctor judges it. Package scrape
// collects what metrics.go tells. inside.go finds the container that logs.go and
// shell.go are about. explain.go shows a bundle. registerfrom.go tells what became of a
// docker executor's section. facts.go learns of the host what a
// plan without a job needs, and plans the sandbox for the next one. incontainer.go has
// the commands that run in containers, where no settings are. renamed.go knows the
// names of before of flags. contracts.go says what each of them uses of the driver, in
// which order, and what may run at once.
package executor
