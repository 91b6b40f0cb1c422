package local

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GitLab's words for the reason of a job's failure.
const (
	reasonScript        = "script_failure"
	reasonSystem        = "runner_system_failure"
	reasonTimeout       = "job_execution_timeout"
	reasonCanceled      = "job_canceled"
	reasonConfiguration = "runner_configuration_error"
	reasonInterrupted   = "runner_interrupted"
)

var (
	errCanceled      = errors.New("canceled")
	errInterrupted   = errors.New("aborted: interrupt")
	errScriptTimeout = errors.New("script timeout")
)

// jobError is a failure by fault of the job, or with a reason of its own. Any other error
// is the system's.
type jobError struct {
	reason   string
	exitCode int
	err      error
}

func (e *jobError) Error() string { return e.err.Error() }
func (e *jobError) Unwrap() error { return e.err }

// unknownExitError is an exit without a meaning for the custom executor.
type unknownExitError struct {
	code int
	err  error
}

func (e *unknownExitError) Error() string {
	return fmt.Sprintf("unknown Custom executor executable exit code %d; executable execution terminated with: %v", e.code, e.err)
}

func (e *unknownExitError) Unwrap() error { return e.err }

// runtimeState returns the value of CI_JOB_STATUS after err, and err in the Runner's words.
// The judgement is the Runner's: a context's error is a verdict, whatever wraps it.
func runtimeState(err error, timeout time.Duration) (string, error) {
	switch {
	case err == nil:
		return "success", nil
	case errors.Is(err, errInterrupted):
		return "failed", &jobError{reason: reasonInterrupted, err: errInterrupted}
	case errors.Is(err, context.Canceled), errors.Is(err, errCanceled):
		return "canceled", &jobError{reason: reasonCanceled, err: errCanceled}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errScriptTimeout):
		return "timedout", &jobError{
			reason: reasonTimeout,
			err:    fmt.Errorf("execution took longer than %v seconds", timeout),
		}
	default:
		return "failed", err
	}
}

// verdict returns the fields of a result that follow from the job's error.
func verdict(err error) Result {
	if err == nil {
		return Result{State: Success}
	}
	var je *jobError
	if !errors.As(err, &je) {
		return Result{State: SystemFailure, FailureReason: reasonSystem, Err: err}
	}
	res := Result{State: Failed, FailureReason: je.reason, ExitCode: je.exitCode, Err: err}
	switch je.reason {
	case reasonCanceled:
		res.State = Canceled
	case reasonTimeout:
		res.State = TimedOut
	case reasonSystem, reasonInterrupted:
		res.State = SystemFailure
	}
	return res
}

func isJobError(err error) bool {
	var je *jobError
	return errors.As(err, &je)
}
