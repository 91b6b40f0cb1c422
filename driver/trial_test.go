package driver

import (
	"context"
	"errors"
	"testing"
)

// Only a failed dial shows that jobs do not reach this host.
func TestWhatADialTellsOfAWay(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		err  error
		want Reach
	}{
		"it answers":                   {0, nil, ReachOpen},
		"nothing answers":              {1, nil, ReachClosed},
		"nothing to dial with":         {noDialer, nil, ReachUnknown},
		"a shell that cannot be run":   {126, nil, ReachUnknown},
		"no shell":                     {127, nil, ReachUnknown},
		"it was killed":                {137, nil, ReachUnknown},
		"an engine that is slow":       {0, context.DeadlineExceeded, ReachUnknown},
		"an engine that goes away":     {1, errors.New("EOF"), ReachUnknown},
		"a code that the engine lacks": {-1, nil, ReachUnknown},
	} {
		if got := reachBy(c.code, c.err); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
