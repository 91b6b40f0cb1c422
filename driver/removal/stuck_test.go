package removal

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"gitlab-dind-executor/fault"
)

func TestErrorsOfVolumesThatResist(t *testing.T) {
	one := fault.System(&stuck{"v", "busy"}, "")
	other := errors.New("other")
	for _, err := range []error{one, errors.Join(one, one), fmt.Errorf("removing: %w", errors.Join(nil, one)), errors.Join(fmt.Errorf("x: %w", one))} {
		if !AllStuck(err) || ButStuck(err) != nil {
			t.Errorf("%v counts as another error", err)
		}
	}
	for _, err := range []error{other, context.Canceled, errors.Join(one, other), fmt.Errorf("removing: %w", errors.Join(one, other))} {
		if AllStuck(err) || ButStuck(err) == nil {
			t.Errorf("%v counts as of volumes that resist alone", err)
		}
	}
	if err := ButStuck(errors.Join(one, other)); err.Error() != "other" {
		t.Errorf("error %v", err)
	}
	if AllStuck(nil) || ButStuck(nil) != nil {
		t.Error("no error is one")
	}
}
