package fault

import (
	"errors"
	"strings"
)

// Shared marks err as a fault of the system that many things have in common, such as
// an engine that is away. Once tells it for all faults with the same cause.
func Shared(err error, hint, cause string) error {
	return &Fault{Err: err, Hint: hint, Cause: cause}
}

// Once returns err without the parts that tell of a cause which an earlier part tells of.
// These are parts of joined errors with the same text, or with the same shared cause.
func Once(err error) error {
	parts := joined(err)
	seen := map[string]bool{}
	var left []error
	for _, part := range parts {
		if key := causeOf(part); !seen[key] {
			seen[key] = true
			left = append(left, part)
		}
	}
	if len(left) == len(parts) {
		return err
	}
	return errors.Join(left...)
}

// joined returns the parts of errors that errors.Join has put together, and err alone
// for any other.
func joined(err error) []error {
	multiple, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var texts []string
	for _, part := range multiple.Unwrap() {
		texts = append(texts, part.Error())
	}
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err} // it has words of its own
	}
	var all []error
	for _, part := range multiple.Unwrap() {
		all = append(all, joined(part)...)
	}
	return all
}

// causeOf is equal for errors that tell of the same cause.
func causeOf(err error) string {
	if cause := shared(err); cause != "" {
		return "shared: " + cause
	}
	if err == nil {
		return ""
	}
	return "text: " + err.Error()
}

// shared is the shared cause of err, or "". An error about several others has none.
func shared(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if f, ok := err.(*Fault); ok && f.Cause != "" {
			return f.Cause
		}
	}
	return ""
}
