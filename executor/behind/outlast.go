package behind

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Outlast returns a context that a signal to end cuts short instead of ending it: the
// process has grace to finish its work. systemd sends such a signal to all processes of the
// Runner's unit, and kills what is left 90 s later. The caller calls stop.
func Outlast(ctx context.Context, grace time.Duration) (outlasting context.Context, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, os.Interrupt)
	outlasting, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-signals:
		case <-outlasting.Done():
			return
		}
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case <-late.C:
			cancel()
		case <-outlasting.Done():
		}
	}()
	return outlasting, func() {
		signal.Stop(signals)
		cancel()
	}
}
