package behind

import (
	"context"
	"syscall"
	"testing"
	"time"
)

func TestASignalToEndLeavesTimeForTheRest(t *testing.T) {
	for name, s := range map[string]syscall.Signal{"systemd stops the Runner": syscall.SIGTERM, "the Runner's last job": syscall.SIGQUIT} {
		const grace = 100 * time.Millisecond
		ctx, stop := Outlast(t.Context(), grace)
		told := time.Now()
		for range 2 { // a second signal changes nothing
			if err := syscall.Kill(syscall.Getpid(), s); err != nil {
				t.Fatal(err)
			}
		}
		<-ctx.Done()
		if took := time.Since(told); took < grace {
			t.Errorf("%s: the work was cut after %s", name, took)
		}
		stop()
	}
}

func TestNoSignalCutsNoWork(t *testing.T) {
	ctx, stop := Outlast(t.Context(), time.Hour)
	if err := ctx.Err(); err != nil {
		t.Error(err)
	}
	stop()
	if ctx.Err() != context.Canceled {
		t.Errorf("after stop the context says %v", ctx.Err())
	}
}
