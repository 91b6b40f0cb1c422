// Package fault holds errors with a hint: they say whose fault it is and what to do.
//
// An error for a person has two lines: the failure, and a hint. A fault of the job, such as
// a forbidden or missing image, ends the job, since a retry cannot help. Every other fault
// is the system's, and GitLab Runner retries.
//
// The package is the lowest of all: it imports the standard library only, and every other
// package may import it.
package fault

// Fault is an error with a hint. The zero OfJob means a failure of the system.
type Fault struct {
	// Err names the failure, in lower case without a full stop.
	Err error
	// Hint says what to do. An empty hint means: nothing to do.
	Hint string
	// OfJob is true when the job itself is at fault: no retry can help.
	OfJob bool
	// Cause names a cause that many faults share; empty for a fault by itself.
	Cause string
}

// Error returns the failure, without the hint.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// System marks err as a fault of the engine, the network or the host.
func System(err error, hint string) error {
	return &Fault{Err: err, Hint: hint}
}

// Job marks err as a fault of the job: GitLab Runner must not retry the job.
func Job(err error, hint string) error {
	return &Fault{Err: err, Hint: hint, OfJob: true}
}

// HintOf returns the first hint of err, from the outside in, or "".
func HintOf(err error) string {
	if f, ok := err.(*Fault); ok && f.Hint != "" {
		return f.Hint
	}
	for _, inner := range within(err) {
		if hint := HintOf(inner); hint != "" {
			return hint
		}
	}
	return ""
}

// IsOfJob tells whether err is a fault of the job alone. Each of several joined errors must
// be, since a retry may help against the others.
func IsOfJob(err error) bool {
	if f, ok := err.(*Fault); ok && f.OfJob {
		return true
	}
	parts := within(err)
	for _, inner := range parts {
		if !IsOfJob(inner) {
			return false
		}
	}
	return len(parts) > 0
}

// within returns the errors that err wraps: none, one or several.
func within(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return e.Unwrap()
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return []error{inner}
		}
	}
	return nil
}
