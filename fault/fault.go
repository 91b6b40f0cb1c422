// Package fault holds errors that say whose fault it is and what to do.
//
// An error that reaches a person has two lines: what failed, and a hint. A
// fault of the job (an image that is not allowed, an image that does not
// exist) ends the job, since a retry cannot help; everything else is a fault
// of the system, which GitLab Runner retries.
//
// It is the lowest package of all: it imports the standard library only and
// every other package may import it.
package fault

import "errors"

// Fault is an error with a hint. The zero OfJob means that the system failed.
type Fault struct {
	// Err says what failed, in lower case without a full stop.
	Err error
	// Hint says what to do; empty when there is nothing to say.
	Hint string
	// OfJob is true when the job itself is at fault: no retry can help.
	OfJob bool
}

// Error returns what failed, without the hint.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// System marks err as a fault of the engine, the network or the host.
func System(err error, hint string) error {
	return &Fault{Err: err, Hint: hint}
}

// Job marks err as a fault of the job: GitLab Runner must not retry it.
func Job(err error, hint string) error {
	return &Fault{Err: err, Hint: hint, OfJob: true}
}

// HintOf returns the outermost hint in the chain of err, or "".
func HintOf(err error) string {
	for {
		f, ok := errors.AsType[*Fault](err)
		if !ok {
			return ""
		}
		if f.Hint != "" {
			return f.Hint
		}
		err = f.Err
	}
}

// IsOfJob tells whether any error in the chain of err is a fault of the job.
func IsOfJob(err error) bool {
	for {
		f, ok := errors.AsType[*Fault](err)
		if !ok {
			return false
		}
		if f.OfJob {
			return true
		}
		err = f.Err
	}
}
