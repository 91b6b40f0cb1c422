package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestACauseIsToldOnce(t *testing.T) {
	away := func(what string) error {
		return Shared(fmt.Errorf("%s: connection refused", what), "start it", "engine")
	}
	other := System(errors.New("removing volume a: busy"), "wait")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"one error stays":                          {other, "removing volume a: busy"},
		"the same text twice":                      {errors.Join(other, errors.New("removing volume a: busy")), "removing volume a: busy"},
		"a shared cause in other words":            {errors.Join(away("listing mirrors"), other, away("listing seeds")), "listing mirrors: connection refused\nremoving volume a: busy"},
		"joined within joined":                     {errors.Join(errors.Join(away("a"), away("b")), errors.Join(nil, errors.Join(away("c"), other))), "a: connection refused\nremoving volume a: busy"},
		"a shared cause within another error":      {errors.Join(away("a"), fmt.Errorf("finish: %w", away("b"))), "a: connection refused"},
		"what differs stays":                       {errors.Join(other, errors.New("removing volume b: busy")), "removing volume a: busy\nremoving volume b: busy"},
		"several in a text of its own stay":        {fmt.Errorf("both: %w, %w", away("a"), away("b")), "both: a: connection refused, b: connection refused"},
		"an error about several is one by itself":  {errors.Join(away("a"), fmt.Errorf("both: %w, %w", away("b"), other)), "a: connection refused\nboth: b: connection refused, removing volume a: busy"},
		"what is joined within another's own text": {fmt.Errorf("x: %w", errors.Join(other, other)), "x: removing volume a: busy\nremoving volume a: busy"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Once(c.err).Error(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if Once(nil) != nil {
		t.Error("no error becomes one")
	}
	if hint := HintOf(Once(errors.Join(away("a"), away("b")))); hint != "start it" {
		t.Errorf("hint %q", hint)
	}
	if Once(other) != other {
		t.Error("one error is not the same any more")
	}
}
