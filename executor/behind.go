package executor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/executor/behind"
	"gitlab-dind-executor/group"
)

// finishBehind starts a process that outlives this hook and removes the rest of a job.
// Should the process die, too, any later sweep finds the rest. After the removal the
// process asks for the sandbox of the plan next, unless next is nil.
func (c *call) finishBehind(ctx context.Context, r remainder, next *plan.Plan) error {
	args := r.args()
	if args == nil {
		c.fillAfter(ctx, next)
		return nil
	}
	if c.traceFile != "" { // the job's timeline shows its removal, too
		file, err := filepath.Abs(c.traceFile)
		if err != nil {
			return err
		}
		args = append(args, "--trace", file)
	}
	if next == nil {
		return c.behind(nil, args...)
	}
	text, err := next.Encode()
	if err != nil {
		return err
	}
	return c.behind(text, append(args, "--fill")...)
}

// freeBehind starts gc behind this hook when the hook was the first to find volumes that
// resist their removal. No job waits until they are emptied.
func (c *call) freeBehind(d noter) {
	if d.Noted() > 0 {
		c.freeing.Do(func() { _ = c.behind(nil, "gc") }) // on failure, the timer's gc does the work
	}
}

// behind starts this program again, in a process that outlives this hook. input becomes the
// process's stdin, through memory only.
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
	process, err := behind.Process{Args: args, Env: env, Input: input}.Start()
	if err == nil {
		letGo(args[0], process)
	}
	return err
}

// letGo releases a process behind this hook. Only tests replace the variable: they wait for
// the process before they look at its work.
var letGo = func(_ string, p *os.Process) { _ = p.Release() }

// nextPatience bounds a cleanup's wait for the next plan.
const nextPatience = time.Second

// awaited returns the next plan, or nil where no plan comes in time.
func awaited(next <-chan *plan.Plan) *plan.Plan {
	patience := time.NewTimer(nextPatience)
	defer patience.Stop()
	select {
	case p := <-next:
		return p
	case <-patience.C:
		return nil
	}
}

// fillAfter asks for a sandbox with the layers of an ended job. A failure fails no job: the
// next job makes its own sandbox.
func (c *call) fillAfter(ctx context.Context, next *plan.Plan) {
	if next != nil {
		_ = c.fillBehind(ctx, next)
	}
}

// fillBehind asks for another sandbox of the job's kind. systemd's unit makes the sandbox
// where its socket listens, else a process of our own. A failure is no matter of the job's.
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

// settleCommand does a job's work that fits beside the fetching of its sources. The command
// starts the job's container, and notes the use of a sandbox made ahead. prepare runs the
// command behind itself, since the engine takes its time and may forget a request whose
// client has gone.
func (c *call) settleCommand() *cobra.Command {
	var start, used bool
	var containers []string
	cmd := &cobra.Command{
		Use: "settle JOB", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onEngine(within(settleBound), func(ctx context.Context, _ config.Settings, d *driver.Driver) error {
				d.Expect(containers...)
				var g group.Group
				if start {
					g.Go(func() error { return d.StartEarly(ctx, args[0]) })
				}
				if used {
					g.Go(func() error { return d.NoteUsed(ctx, args[0]) })
				}
				return g.Wait()
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&start, "start", false, "start the job's container")
	cmd.Flags().StringSliceVar(&containers, "containers", nil, "the ids of the job's containers")
	cmd.Flags().BoolVar(&used, "used", false, "note that a job has used the sandbox")
	return cmd
}

// settleBound bounds the settle command.
const settleBound = time.Minute

// remainder is the work left after the end of a job.
type remainder struct {
	// job is the job's key.
	job string
	// sandboxes: the job has sandboxes to remove. layers: their data roots need clearing.
	// caches: the bounds on the cached files of projects need a check.
	sandboxes, layers, caches bool
}

// args returns the arguments of the process for the remainder, or nil where no work is
// left.
func (r remainder) args() []string {
	if !r.sandboxes && !r.caches {
		return nil
	}
	return []string{"finish", r.job, fmt.Sprintf("--layers=%t", r.layers), fmt.Sprintf("--caches=%t", r.caches)}
}

// finishGrace is the time that finish has after a signal to end. systemd kills processes 90 s
// after the signal, and a shutdown of the host waits for them.
const finishGrace = time.Minute

// finishCommand removes the rest of an ended job. cleanup runs the command behind itself.
func (c *call) finishCommand() *cobra.Command {
	r := remainder{sandboxes: true}
	var fill bool
	cmd := &cobra.Command{
		Use: "finish JOB", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.job = args[0]
			return c.onEngine(within(gcBound), func(ctx context.Context, s config.Settings, d *driver.Driver) error {
				// A stop of the Runner's unit reaches this process, too.
				ctx, stop := behind.Outlast(ctx, finishGrace)
				defer stop()
				var next *plan.Plan
				var planErr error
				if fill {
					next, planErr = planFrom(os.Stdin)
				}
				err := c.finish(ctx, s, d, r)
				if err == nil { // the job's layers are free
					c.fillAfter(ctx, next)
				}
				return errors.Join(err, planErr)
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&fill, "fill", false, "then ask for the sandbox of the plan on stdin")
	cmd.Flags().BoolVar(&r.layers, "layers", false, "clear the layers that the job has had")
	cmd.Flags().BoolVar(&r.caches, "caches", false, "remove caches and layers beyond the settings' bounds, too")
	return cmd
}

// finisher removes the rest of an ended job. CleanupPatiently is idempotent, and its rest
// reports volumes that resist.
type finisher interface {
	upkeep
	noter
	CleanupPatiently(ctx context.Context, job string) (rest bool, err error)
}

// finish removes the job's sandboxes and clears its layers. A whole collection follows only
// where something resists or the caches are due: the cost of its lists grows with the
// number of jobs.
func (c *call) finish(ctx context.Context, s config.Settings, d finisher, r remainder) error {
	defer func() { c.record.Left = d.Noted() }()
	rest, err := d.CleanupPatiently(ctx, r.job)
	g := &collection{call: c, gcOptions: gcOptions{caches: r.caches}, d: d, s: s, verb: "removed"}
	switch {
	case rest || err != nil || r.caches || d.Noted() > 0:
		return errors.Join(err, g.all(ctx))
	case r.layers && !c.alone:
		_, layersErr := g.damagedLayers(ctx)
		return errors.Join(err, removal.ButStuck(layersErr))
	}
	return err
}
