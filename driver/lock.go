package driver

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
)

// lockBound is how long one who does a thing waits for another.
const lockBound = 5 * time.Minute

// lock lets one process of this host do a thing at a time. The kernel gives the
// lock back when the process dies. what and hint are for messages.
func (d *Driver) lock(ctx context.Context, thing, what, hint string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockBound)
	defer cancel()
	name := "@gitlab-dind-executor-" + thing + "-" + strings.ReplaceAll(d.host, "/", "_")
	tick := time.NewTicker(engineGap)
	defer tick.Stop()
	for {
		l, err := (&net.ListenConfig{}).Listen(ctx, "unix", name[:min(len(name), 100)])
		if err == nil {
			return func() { _ = l.Close() }, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fault.System(fmt.Errorf("another process has been %s for %s", what, lockBound), hint)
		}
	}
}
