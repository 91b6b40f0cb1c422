package local

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Kind names one of the four hooks.
type Kind string

// The hooks.
const (
	Config  Kind = "config"
	Prepare Kind = "prepare"
	Run     Kind = "run"
	Cleanup Kind = "cleanup"
)

// Hook is a call of a hook whose process has just started.
type Hook struct {
	Kind Kind
	// Stage is the stage of a run hook as in its arguments, else "".
	Stage string
	// Attempt counts the attempts to prepare, from 1.
	Attempt int
	// PID is the process, and the process group under its lead.
	PID int
}

// Phase is a call of a hook, with its end.
type Phase struct {
	// Name is the stage of a run hook, else the kind.
	Name    string
	Kind    Kind
	Attempt int
	Start   time.Time
	// Duration ends when the process has ended and its output is closed.
	Duration time.Duration
	// ExitCode is the process's own. -1 stands for a process that was ended by a signal,
	// not started, or given up.
	ExitCode int
}

// ScriptFailed tells whether the hook reported a failure of its script. A report about the
// system, and a kill, have reasons of their own.
func (p Phase) ScriptFailed() bool { return p.ExitCode == buildFailureExit }

// State is the job's outcome.
type State string

// The outcomes. GitLab shows TimedOut and SystemFailure as "failed" with a reason.
const (
	Success       State = "success"
	Failed        State = "failed"
	Canceled      State = "canceled"
	TimedOut      State = "timedout"
	SystemFailure State = "system_failure"
)

// Result is the end of a job.
type Result struct {
	State State
	// ExitCode is the script's, from BUILD_EXIT_CODE_FILE; 0 unless the state
	// is Failed.
	ExitCode int
	// FailureReason is GitLab's word for the reason, "" on success.
	FailureReason string
	// Err is the error in the log's last line, nil on success.
	Err error
	// Phases lists every call of a hook, in the order of their starts.
	Phases []Phase
	// Attempts is the number of attempts to prepare, 1 to 3.
	Attempts int
	// Started is the time when the Runner took the job up. Finished is the time of the
	// report of its end, after cleanup.
	Started, Finished time.Time
}

// Job is a job under way.
type Job struct {
	done   chan struct{}
	result Result

	mu     sync.Mutex
	cancel context.CancelFunc
	phases []Phase
}

// Start starts a job and returns at once. A cancelled ctx stands for a shutdown of the
// Runner process. The running hook then gets SIGTERM, no further stage runs, and cleanup
// does.
func (r *Runner) Start(ctx context.Context, p Payload) *Job {
	j := &Job{done: make(chan struct{})}
	b := newBuild(r.withDefaults(), p, j)
	// The build lives on after ctx: cleanup must run.
	jobCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(errInterrupted) })
	j.setCancel(func() { cancel(errCanceled) })
	go func() {
		defer close(j.done)
		defer cancel(nil)
		defer stop()
		j.result = b.run(jobCtx)
		j.result.Phases = j.allPhases()
	}()
	return j
}

// Cancel is the button in GitLab. During the script, Cancel ends the script: after_script,
// the stages for failures and cleanup still run. Before the script, Cancel ends the job,
// with cleanup. Afterwards Cancel does nothing. Calls are allowed at any time and more than
// once.
func (j *Job) Cancel() {
	j.mu.Lock()
	cancel := j.cancel
	j.mu.Unlock()
	cancel()
}

// Done is closed once the job has ended: from then on, Wait returns at once.
func (j *Job) Done() <-chan struct{} { return j.done }

// Wait waits until the job and all its hooks have ended.
func (j *Job) Wait() Result {
	<-j.done
	return j.result
}

// setCancel sets the effect of Cancel from now on.
func (j *Job) setCancel(f context.CancelFunc) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cancel = f
}

// begin records the start of a call and returns its index, for end.
func (j *Job) begin(p Phase) (index int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p.ExitCode = -1
	j.phases = append(j.phases, p)
	return len(j.phases) - 1
}

func (j *Job) end(index int, d time.Duration, exitCode int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.phases[index].Duration, j.phases[index].ExitCode = d, exitCode
}

func (j *Job) allPhases() []Phase {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.phases)
}
