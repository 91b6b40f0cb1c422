package executor

import (
	"context"
	"time"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/group"
)

// verdictWait bounds the wait of a failed script for the end of the boot beside it. A dying
// daemon ends its clients before the engine reports the death.
const verdictWait = 2 * time.Second

// notReadyYet is a line of the job log: the script begins before its daemon answers.
const notReadyYet = "docker is not ready yet: commands to it wait"

// boot is the start of the inner daemon beside a job's first script. The script begins when
// the daemon answers or queues connections: then only the first docker command waits. A
// later failure of the daemon ends the script.
type boot struct {
	say func(line string)
	// queues is closed once the daemon queues connections.
	queues chan struct{}
	// over is closed once booted and err are set.
	over   chan struct{}
	booted driver.Booted
	err    error
	// ended tells that err has ended the script. ended is set before over is closed.
	ended bool

	began time.Time
	// waited is the script's wait. The field is set when the script may begin.
	waited time.Duration
	opened bool
	// stop ends the wait for the daemon; end ends the script.
	stop, end context.CancelFunc
}

// beginBoot starts await, which waits for the inner daemon until settle. await calls queues
// once the daemon queues connections. The returned context is for the script.
func beginBoot(ctx context.Context, say func(string), await func(ctx context.Context, queues func()) (driver.Booted, error)) (*boot, context.Context) {
	script, end := context.WithCancel(ctx)
	waiting, stop := context.WithCancel(ctx)
	b := &boot{say: say, queues: make(chan struct{}), over: make(chan struct{}), began: time.Now(), stop: stop, end: end}
	go func() {
		defer close(b.over)
		b.err = group.Guard(func() (err error) {
			b.booted, err = await(waiting, func() { close(b.queues) })
			return err
		})
		if b.err != nil && waiting.Err() == nil && isClosed(b.queues) {
			b.ended = true
			end()
		}
	}()
	return b, script
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// open returns when the script may begin, and logs the wait where people felt it.
func (b *boot) open(ctx context.Context) error {
	select {
	case <-b.queues:
	case <-b.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	b.waited = time.Since(b.began)
	what := notReadyYet
	if isClosed(b.over) {
		if b.err != nil || !b.booted.Booting {
			return b.err
		}
		what = joblog.Daemon{Version: b.booted.Docker}.ReadyAfter(b.waited)
	}
	b.say(what)
	b.opened = true
	return nil
}

// settle follows the end of the script with code or err, and returns the end of the stage.
// A script without need of a daemon ends the stage by its own end.
func (b *boot) settle(ctx context.Context, code int, err error) (int, error) {
	if err == nil && code != 0 {
		wait := time.NewTimer(verdictWait)
		defer wait.Stop()
		select {
		case <-b.over:
		case <-wait.C:
			b.say("docker had not answered when the script ended")
		case <-ctx.Done():
		}
	}
	decided := isClosed(b.over)
	b.stop()
	defer b.end()
	<-b.over
	switch {
	case !decided || b.err == nil || ctx.Err() != nil:
		return code, err
	case err == nil && code != 0, b.ended && err != nil:
		return 0, b.err
	}
	return code, err
}
