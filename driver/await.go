package driver

import (
	"context"
	"errors"
	"os"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
)

// Await waits up to 20 s for an engine that restarts, because a hook may come a moment too
// early. Nothing has been made at this time. say gets a line about the wait. If the engine
// refuses this user, Await fails at once.
func (d *Driver) Await(ctx context.Context, say func(string)) error {
	end := time.Now().Add(d.bounds.EngineAbsence)
	var absent error
	for told := false; ; told = true {
		err := d.eng.Greet(ctx)
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return absent // says more than a deadline
		}
		if err == nil || !engine.Unreachable(err) || errors.Is(err, os.ErrPermission) || time.Now().After(end) {
			return err
		}
		absent = err
		if !told {
			say("the docker engine does not answer, waiting for it")
		}
		if !bounds.Pause(ctx, d.bounds.EngineGap) {
			return err
		}
	}
}
