package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestHintAndBlameOfAnError(t *testing.T) {
	cause := errors.New("connection refused")
	for name, c := range map[string]struct {
		err   error
		hint  string
		ofJob bool
	}{
		"none at all":                                  {nil, "", false},
		"a plain error has no hint":                    {cause, "", false},
		"a fault of the system":                        {System(cause, "start it"), "start it", false},
		"a fault of the job":                           {Job(cause, "mend it"), "mend it", true},
		"a fault inside another error":                 {fmt.Errorf("prepare: %w", Job(cause, "mend it")), "mend it", true},
		"the outer hint wins":                          {System(System(cause, "inner"), "outer"), "outer", false},
		"an outer fault without a hint shows the next": {System(fmt.Errorf("x: %w", System(cause, "inner")), ""), "inner", false},
		"a fault of the job inside one of the system":  {System(Job(cause, ""), "h"), "h", true},
		"of two joined, one cannot be helped by a retry": {
			errors.Join(Job(cause, "mend it"), System(cause, "start it")), "mend it", false,
		},
		"the same the other way round": {
			errors.Join(System(cause, "start it"), Job(cause, "mend it")), "start it", false,
		},
		"of two joined, both are the job's":            {errors.Join(Job(cause, ""), Job(cause, "b")), "b", true},
		"a plain error joined to one of the job":       {errors.Join(Job(cause, "a"), cause), "a", false},
		"the hint of the second, as the first is dumb": {errors.Join(System(cause, ""), System(cause, "b")), "b", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := HintOf(c.err); got != c.hint {
				t.Errorf("hint %q, want %q", got, c.hint)
			}
			if got := IsOfJob(c.err); got != c.ofJob {
				t.Errorf("of job %t, want %t", got, c.ofJob)
			}
		})
	}
}

func TestAFaultIsTransparent(t *testing.T) {
	cause := errors.New("connection refused")
	for _, err := range []error{System(cause, "hint"), Job(cause, "hint")} {
		if !errors.Is(err, cause) {
			t.Errorf("%v hides its cause", err)
		}
		if err.Error() != "connection refused" {
			t.Errorf("the message is %q; the hint has a line of its own", err)
		}
	}
}
