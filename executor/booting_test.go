package executor

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/test/ends"
)

// daemon is an inner daemon under a test's control.
type daemon struct {
	queues, answers chan struct{}
	dies            chan error
}

func newDaemon() *daemon {
	return &daemon{queues: make(chan struct{}), answers: make(chan struct{}), dies: make(chan error)}
}

func (d *daemon) await(ctx context.Context, queues func()) (driver.Booted, error) {
	for q := d.queues; ; {
		select {
		case <-q:
			queues()
			q = nil
		case <-d.answers:
			return driver.Booted{Docker: "28.1.1", Booting: true}, nil
		case err := <-d.dies:
			return driver.Booted{}, err
		case <-ctx.Done():
			return driver.Booted{}, ctx.Err()
		}
	}
}

// said collects lines.
type said struct {
	mu    sync.Mutex
	lines string
}

func (s *said) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines += line + "\n"
}

var errDied = errors.New("exited with code 3")

// A script begins as soon as docker commands wait by themselves. While the daemon boots,
// the script's end is its own matter.
func TestAScriptBesideTheBootOfItsDaemon(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// before is the daemon's part before the script begins. script is the script's end,
		// beside the daemon's part at that time.
		before func(*daemon)
		script func(ctx context.Context, d *daemon) (int, error)
		code   int
		err    error
		// log is a line at the gate, or "" for none. version is the daemon's at the end, or
		// "" for unknown.
		log     string
		version string
		opened  bool
	}{
		"that answers before": {
			before: func(d *daemon) { close(d.answers) },
			script: func(context.Context, *daemon) (int, error) { return 0, nil },
			log:    "Docker 28.1.1 ready", version: "28.1.1", opened: true,
		},
		"that dies before": {
			before: func(d *daemon) { d.dies <- errDied },
			err:    errDied,
		},
		"that answers meanwhile": {
			before: func(d *daemon) { close(d.queues) },
			script: func(_ context.Context, d *daemon) (int, error) { close(d.answers); return 5, nil },
			code:   5, log: notReadyYet, version: "28.1.1", opened: true,
		},
		"that dies, and the script with it": {
			before: func(d *daemon) { close(d.queues) },
			script: func(_ context.Context, d *daemon) (int, error) {
				go func() { d.dies <- errDied }()
				return 1, nil
			},
			err: errDied, log: notReadyYet, opened: true,
		},
		"that dies, and the script goes on": {
			before: func(d *daemon) { close(d.queues) },
			script: func(ctx context.Context, d *daemon) (int, error) {
				d.dies <- errDied
				<-ctx.Done()
				return 0, ctx.Err()
			},
			err: errDied, log: notReadyYet, opened: true,
		},
		"that it does not need": {
			before: func(d *daemon) { close(d.queues) },
			script: func(context.Context, *daemon) (int, error) { return 0, nil },
			log:    notReadyYet, opened: true,
		},
		"that dies as the script has ended well": {
			before: func(d *daemon) { close(d.queues) },
			script: func(ctx context.Context, d *daemon) (int, error) { d.dies <- errDied; <-ctx.Done(); return 0, nil },
			log:    notReadyYet, opened: true,
		},
		"and the script's own fault": {
			before: func(d *daemon) { close(d.queues) },
			script: func(context.Context, *daemon) (int, error) { return 0, errors.ErrUnsupported },
			err:    errors.ErrUnsupported, log: notReadyYet, opened: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, log := newDaemon(), &said{}
			b, ctx := beginBoot(t.Context(), log.say, d.await)
			c.before(d)
			ends.ByItself(t, func() {
				code, err := 0, b.open(ctx)
				if err == nil {
					code, err = c.script(ctx, d)
				}
				code, err = b.settle(t.Context(), code, err)
				if code != c.code || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("code %d, error %v", code, err)
				}
			})
			if first, _, _ := strings.Cut(log.lines, "\n"); !strings.HasPrefix(first, c.log) || (first == "") != (c.log == "") || b.opened != c.opened || b.booted.Docker != c.version {
				t.Errorf("said %q, opened %t, version %q", log.lines, b.opened, b.booted.Docker)
			}
			if ctx.Err() == nil {
				t.Error("the script's context goes on")
			}
		})
	}
}

// A cancelled job ends as cancelled, whatever its daemon does.
func TestAJobThatIsCancelledBesideTheBoot(t *testing.T) {
	t.Parallel()
	d, log := newDaemon(), &said{}
	job, cancel := context.WithCancel(t.Context())
	b, ctx := beginBoot(job, log.say, d.await)
	close(d.queues)
	ends.ByItself(t, func() {
		err := b.open(ctx)
		cancel()
		<-ctx.Done()
		if _, err = b.settle(job, 0, errors.Join(err, ctx.Err())); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

// A panic beside the script is the stage's error.
func TestAPanicInTheBootEndsTheScript(t *testing.T) {
	t.Parallel()
	log := &said{}
	b, ctx := beginBoot(t.Context(), log.say, func(context.Context, func()) (driver.Booted, error) { panic("oops") })
	ends.ByItself(t, func() {
		if _, err := b.settle(t.Context(), 0, b.open(ctx)); err == nil || !strings.Contains(err.Error(), "oops") {
			t.Errorf("error %v", err)
		}
	})
}
