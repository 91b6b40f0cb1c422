package fault

import (
	"errors"
	"strings"
)

// Shared marks err as a fault of the system with a cause that many faults share, such as a
// missing engine. Once reports the cause once for all of them.
func Shared(err error, hint, cause string) error {
	return &Fault{Err: err, Hint: hint, Cause: cause}
}

// Once returns err without parts whose cause an earlier part reports. Such parts of joined
// errors have the same text or the same shared cause.
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

// joined returns the parts of an error from errors.Join, or any other error alone.
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
		return []error{err} // the error has words of its own
	}
	var all []error
	for _, part := range multiple.Unwrap() {
		all = append(all, joined(part)...)
	}
	return all
}

// causeOf returns the same text for errors with the same cause.
func causeOf(err error) string {
	if cause := shared(err); cause != "" {
		return "shared: " + cause
	}
	if err == nil {
		return ""
	}
	return "text: " + err.Error()
}

// shared returns the shared cause of err, or "". An error about several others has no
// shared cause.
func shared(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if f, ok := err.(*Fault); ok && f.Cause != "" {
			return f.Cause
		}
	}
	return ""
}
