package driver

import (
	"context"
	"errors"
	"os"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
)

// Await waits for an engine that restarts, up to 20 s, before anything has been
// made: a hook that came a moment too early need not fail. say hears of it. An
// engine that refuses this user is not waited for.
func (d *Driver) Await(ctx context.Context, say func(string)) error {
	end := time.Now().Add(d.bounds.EngineAbsence)
	var absent error
	for told := false; ; told = true {
		err := d.eng.Greet(ctx)
		if absent != nil && errors.Is(err, context.DeadlineExceeded) {
			return absent // which says more than that the time is over
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
