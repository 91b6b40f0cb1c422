package executor

import (
	"context"
	"net"
	"path/filepath"
	"time"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/behind"
)

// finishBehind starts a sweep that outlives this hook, for what the job's end
// need not wait for. Should it die, too, what it has not removed is found by any
// later sweep. With caches it looks after what is cached for projects, too.
func (c *call) finishBehind(caches bool) error {
	if caches {
		return c.behind(nil, "gc", "--caches")
	}
	return c.behind(nil, "gc")
}

// freeBehind starts such a sweep where this hook has found volumes that resist
// their removal, and nobody had before: no job waits until they are emptied.
func (c *call) freeBehind(d noter) {
	if d.Noted() > 0 {
		c.freeing.Do(func() { _ = c.finishBehind(false) }) // else the timer's gc comes
	}
}

// behind starts this program again so that it outlives this hook. input is its stdin,
// in memory only.
func (c *call) behind(input []byte, args ...string) error {
	if c.settingsFile != "" {
		file, err := filepath.Abs(c.settingsFile) // the hook's folder goes with the job
		if err != nil {
			return err
		}
		args = append(args, "--settings", file)
	}
	if c.alone {
		args = append(args, "--alone")
	}
	env := c.env.OfHost()
	if c.record.Job != "" {
		env = append(env, envBehind+"="+c.record.Job, envStarted+"="+c.env[envStarted])
	}
	return behind.Process{Args: args, Env: env, Input: input}.Start()
}

// nextPatience is how long a cleanup that is done waits for the next plan.
const nextPatience = time.Second

// fillAfter lets a sandbox be made with the layers of a job that has ended. It is
// no matter of anybody's when that fails: the next job makes its own.
func (c *call) fillAfter(ctx context.Context, next <-chan *plan.Plan) {
	patience := time.NewTimer(nextPatience)
	defer patience.Stop()
	select {
	case p := <-next:
		if p != nil {
			_ = c.fillBehind(ctx, p)
		}
	case <-patience.C:
	}
}

// fillBehind sees to it that another sandbox of the job's kind will wait: by
// systemd's unit, where that listens, or by a process of our own. It is no
// matter of the job's when that fails.
func (c *call) fillBehind(ctx context.Context, p *plan.Plan) error {
	text, err := p.Encode()
	if err != nil {
		return err
	}
	if c.env[driver.Installation] != "" { // systemd's unit fills another's pool
		return c.behind(text, "pool", "fill", "--from-stdin")
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", poolSocket)
	if err != nil {
		return c.behind(text, "pool", "fill", "--from-stdin")
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, err = conn.Write(text)
	return err
}
