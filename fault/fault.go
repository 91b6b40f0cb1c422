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

// IsOfJob tells whether err is a fault of the job alone: of joined errors all
// must be, since a retry may help against the others.
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
