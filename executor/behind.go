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

// finishBehind starts what removes a job's rest, as a process that outlives this
// hook. Should it die, too, what it has not removed is found by any later sweep.
// Behind the removal it asks for the sandbox of a plan, unless that is nil.
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

// freeBehind starts such a sweep where this hook has found volumes that resist
// their removal, and nobody had before: no job waits until they are emptied.
func (c *call) freeBehind(d noter) {
	if d.Noted() > 0 {
		c.freeing.Do(func() { _ = c.behind(nil, "gc") }) // else the timer's gc comes
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
	process, err := behind.Process{Args: args, Env: env, Input: input}.Start()
	if err == nil {
		letGo(args[0], process)
	}
	return err
}

// letGo ends what this process has to do with one behind it. A variable for tests
// alone, which wait for what they then look at.
var letGo = func(_ string, p *os.Process) { _ = p.Release() }

// nextPatience is how long a cleanup waits for the next plan.
const nextPatience = time.Second

// awaited is the next plan, or nil where none is made or comes in time.
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

// fillAfter lets a sandbox be made with the layers of a job that has ended. No job
// fails where that does: the next one makes its own.
func (c *call) fillAfter(ctx context.Context, next *plan.Plan) {
	if next != nil {
		_ = c.fillBehind(ctx, next)
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

// settleCommand does for a job what can be done while its sources are fetched:
// it starts the job's container, and notes that a sandbox that was made ahead is used.
// prepare runs it behind itself, since the engine takes its time and may forget a
// request whose client has gone.
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

// settleBound is what that may take.
const settleBound = time.Minute

// remainder is what is left to do for a job that has ended.
type remainder struct {
	// job is the job's key.
	job string
	// sandboxes says that the job has some, layers that their data roots are to be
	// cleared, caches that what is cached for projects is to be looked after.
	sandboxes, layers, caches bool
}

// args are the arguments of the process that does it; nil where nothing is left.
func (r remainder) args() []string {
	if !r.sandboxes && !r.caches {
		return nil
	}
	return []string{"finish", r.job, fmt.Sprintf("--layers=%t", r.layers), fmt.Sprintf("--caches=%t", r.caches)}
}

// finishCommand removes a job that has ended. cleanup runs it behind itself.
func (c *call) finishCommand() *cobra.Command {
	r := remainder{sandboxes: true}
	var fill bool
	cmd := &cobra.Command{
		Use: "finish JOB", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.job = args[0]
			return c.onEngine(within(gcBound), func(ctx context.Context, s config.Settings, d *driver.Driver) error {
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

// finisher removes what an ended job has left. CleanupPatiently is idempotent, and
// rest says that volumes resist.
type finisher interface {
	upkeep
	noter
	CleanupPatiently(ctx context.Context, job string) (rest bool, err error)
}

// finish removes the job's sandboxes and clears its layers. A whole collection
// follows where something resists, or what is cached is due: its lists cost the engine
// the more the more jobs there are.
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
