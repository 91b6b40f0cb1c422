package executor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/fault"
)

// measureOneIn is the mean number of prepares from one measurement of the mirror's storage
// to the next. gc always measures.
const measureOneIn = 16

// mirror finds the mirror for a job, if the settings want a mirror. When the mirror fails,
// the job goes on without, and a line says so.
func (c *call) mirror(ctx context.Context, d planner, s config.Settings) *plan.MirrorAccess {
	if !s.Mirror.Enabled {
		return nil
	}
	m, err := access.Mirror(s)
	var access *plan.MirrorAccess
	if err == nil {
		access, err = d.Mirror(ctx, m)
	}
	if err == nil || ctx.Err() != nil {
		return access
	}
	text := fmt.Sprintf("this job does without the registry mirror: %s", fault.Line(err))
	if errors.Is(err, mirror.ErrNone) && c.alone {
		return nil // the first job of a Runner makes the mirror
	} else if errors.Is(err, mirror.ErrNone) {
		if err := c.behind(nil, "mirror", "start"); err != nil {
			text += "; it cannot be made: " + fault.Line(err)
		}
	} else if hint := fault.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	c.log.Warn(text)
	return nil
}

// sweepMirrors is the part of prepare's sweep for mirrors.
func sweepMirrors(ctx context.Context, d preparer, s config.Settings) {
	if !s.Mirror.Enabled {
		return // gc removes mirrors of earlier settings
	}
	m, err := access.Mirror(s)
	if err != nil {
		return // reported already
	}
	_, _ = d.SweepMirrors(ctx, m.Name, m.MaxSize, rand.N(measureOneIn) == 0, false)
}

// tellMirrors prints a line about each mirror, and counts the removed.
func (c *call) tellMirrors(verdicts []mirror.Verdict, err error) func(dryRun bool) (int, error) {
	return func(dryRun bool) (int, error) {
		for _, v := range verdicts {
			verb := "removed mirror"
			switch {
			case dryRun:
				verb = "would remove mirror"
			case !v.Removed:
				verb = "no new job gets mirror"
			}
			fmt.Fprintf(c.stdout, "%s %s: %s\n", verb, v.Name, v.Reason)
		}
		return len(verdicts), err
	}
}

// mirrorCommand looks after the registry mirror.
func (c *call) mirrorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mirror",
		Short: "Look after the registry mirror that all jobs share",
		Long: "The mirror of [mirror] in the settings is a pull-through registry on the engine. The\n" +
			"first job that finds none makes it. gc removes mirrors that no settings use.",
		Args: cobra.NoArgs,
	}
	verb := func(use, short string, run func(context.Context, config.Settings, *driver.Driver) error) {
		cmd.AddCommand(&cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: c.onEngine(func(s config.Settings) time.Duration { return s.Pull.Timeout.Std() + gcBound }, run),
		})
	}
	cmd.AddCommand(c.listCommand("status", "List the mirrors, with their sizes and jobs", c.mirrorStatus))
	verb("start", "Make the mirror ahead of the first job", c.mirrorStart)
	verb("remove", "Remove all mirrors with what they store; those in use go with the last of their jobs",
		func(ctx context.Context, _ config.Settings, d *driver.Driver) error {
			verdicts, err := d.SweepMirrors(ctx, "", 0, false, false)
			for i, v := range verdicts {
				verdicts[i].Reason = "as asked"
				if !v.Removed {
					verdicts[i].Reason = "jobs use it, a later gc removes it"
				}
			}
			_, err = c.tellMirrors(verdicts, err)(false)
			return err
		})
	return cmd
}

func (c *call) mirrorStart(ctx context.Context, s config.Settings, d *driver.Driver) error {
	if !s.Mirror.Enabled {
		return fault.System(errors.New("mirror.enabled is false in the settings"), "")
	}
	m, err := access.Mirror(s)
	if err != nil {
		return err
	}
	access, err := d.StartMirror(ctx, m, c.log.Say)
	if err != nil {
		return fmt.Errorf("the registry mirror: %w", err)
	}
	fmt.Fprintf(c.stdout, "mirror %s of %s at %s\n", m.Name, m.Remote, access.URL)
	return nil
}

// mirrorState is a line of mirror status.
type mirrorState struct {
	Name   string `json:"name"`
	Remote string `json:"remote"`
	// State is the engine's word, as running.
	State   string `json:"state"`
	Address string `json:"address"`
	// Size is in bytes; -1 if it is not known.
	Size   int64 `json:"size"`
	Jobs   int   `json:"jobs"`
	Wanted bool  `json:"wanted"`
}

func (c *call) mirrorStatus(asJSON bool) look {
	return func(ctx context.Context, s config.Settings, d *driver.Driver) error {
		return c.showMirrors(ctx, s, d, asJSON)
	}
}

// showMirrors fails when the settings' mirror does not answer.
func (c *call) showMirrors(ctx context.Context, s config.Settings, d *driver.Driver, asJSON bool) error {
	mirrors, err := d.Mirrors(ctx)
	if err != nil {
		return err
	}
	var current plan.Mirror
	if s.Mirror.Enabled {
		if current, err = access.Mirror(s); err != nil {
			return err
		}
	}
	there := false
	list := []mirrorState{}
	for _, m := range mirrors {
		d.Measure(ctx, &m)
		list = append(list, mirrorState{m.Name, m.Remote, m.State, m.Address, m.Size, m.Jobs, m.Name == current.Name})
		there = there || m.Name == current.Name
		if asJSON {
			continue
		}
		state, size, use := m.State, "an unknown size", "the settings'"
		if m.Address != "" {
			state += " at " + m.Address
		}
		if m.Size >= 0 {
			size = config.Size(m.Size).String()
		}
		if m.Name != current.Name {
			use = "to be removed"
		}
		fmt.Fprintf(c.stdout, "mirror %s of %s: %s, %s, %d jobs, %s\n", m.Name, m.Remote, state, size, m.Jobs, use)
	}
	if asJSON {
		if err := c.printJSON(list); err != nil {
			return err
		}
	}
	switch {
	case there:
		if _, err := d.Mirror(ctx, current); err != nil {
			return fmt.Errorf("mirror %s: %w", current.Name, err)
		}
	case asJSON:
	case s.Mirror.Enabled:
		fmt.Fprintln(c.stdout, "the settings' mirror is not there yet: the next job makes it, or gitlab-dind-executor mirror start")
	case len(mirrors) == 0:
		fmt.Fprintln(c.stdout, "there is no mirror, and the settings want none")
	}
	return nil
}
