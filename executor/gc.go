package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// gcBound ends a gc before the timer starts the next.
const gcBound = 10 * time.Minute

// gcOptions are the flags of gc.
type gcOptions struct {
	dryRun, verbose, caches, held bool
	// olderThan and maxSize are nil where the settings' bounds hold.
	olderThan *time.Duration
	maxSize   *config.Size
}

// gcCommand removes objects without a living job.
func (c *call) gcCommand() *cobra.Command {
	var o gcOptions
	var olderThan config.Duration
	var maxSize string
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove sandboxes that no living job owns",
		Long: "Removes sandboxes that no living job owns. A sandbox goes if its network is gone, if\n" +
			"nothing was made in it, or if its owner is dead. It goes too once its deadline has\n" +
			"passed, unless its owner is known to live.\n\n" +
			"With --caches, gc also removes caches and layers beyond cache.max_age and\n" +
			"cache.max_size. The longest unused go first, and nothing goes that a job uses now.\n\n" +
			"Mirrors go if no settings use them or if they store too much. Seeds go if no settings\n" +
			"use them or if they are not whole. gc empties volumes that resisted their removal: it\n" +
			"clears immutable flags and unmounts file systems. gc names each object that it cannot\n" +
			"judge, and leaves it alone.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, size := cmd.Flags().Changed("older-than"), cmd.Flags().Changed("max-size")
			if (age || size) && !o.caches {
				return fault.System(errors.New("--older-than and --max-size are about --caches"), "add --caches")
			}
			if age {
				d := olderThan.Std()
				o.olderThan = &d
			}
			if size {
				o.maxSize = new(config.Size)
				if err := o.maxSize.UnmarshalText([]byte(maxSize)); err != nil {
					return fmt.Errorf("--max-size: %w", err)
				}
			}
			return c.gc(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "also say what is left and why")
	cmd.Flags().BoolVar(&o.caches, "caches", false, "remove caches and layers beyond the settings' bounds, too")
	cmd.Flags().BoolVar(&o.held, "held", false, "remove sandboxes of failed jobs that cleanup.hold_failed holds, too")
	c.renamed(cmd, "held", "kept")
	cmd.Flags().TextVar(&olderThan, "older-than", config.Duration(0), "with --caches: those unused for this `DURATION`, instead of cache.max_age; 0s for all")
	cmd.Flags().StringVar(&maxSize, "max-size", "", "with --caches: leave this `SIZE`, instead of cache.max_size")
	return cmd
}

// collection is a single run of gc.
type collection struct {
	*call
	gcOptions
	d upkeep
	s config.Settings
	// verb says what happens to an object, in gc's output.
	verb string
}

// gc collects with the settings and flags of this call.
func (c *call) gc(ctx context.Context, o gcOptions) error {
	c.recorded = c.recorded && !o.dryRun
	settings, d, err := c.open()
	if err != nil {
		return err
	}
	defer d.Close()
	ctx, cancel := context.WithTimeout(ctx, gcBound)
	defer cancel()
	g := &collection{call: c, gcOptions: o, d: d, s: settings, verb: "removed"}
	if o.dryRun {
		g.verb = "would remove"
	}
	return g.all(ctx)
}

// all runs one collection after the other. No fault stops the next collection.
func (g *collection) all(ctx context.Context) error {
	found := 0
	var errs []error
	for _, collector := range []struct {
		wanted  bool
		collect func(context.Context) (int, error)
	}{
		{!g.dryRun, g.ended},
		{true, g.sandboxes},
		{g.held, g.heldSandboxes},
		// A job of try has settings of its own, and might remove the objects of Runners.
		{!g.alone, g.mirrors},
		{!g.alone, g.seeds},
		{!g.alone, g.damagedLayers},
		{g.caches, g.cached},
	} {
		if collector.wanted {
			n, err := collector.collect(ctx)
			found, errs = found+n, append(errs, err)
		}
	}
	// The last collection is for volumes that have resisted the others.
	n, stuckErr := g.stuck(ctx)
	err := errors.Join(removal.ButStuck(errors.Join(errs...)), stuckErr)
	if found+n == 0 && err == nil {
		fmt.Fprintln(g.stdout, "nothing to remove")
	}
	return err
}

// tell prints a line about an object.
func (g *collection) tell(verb, what, why string) {
	fmt.Fprintf(g.stdout, "%s %s: %s\n", verb, what, why)
}

func sandboxText(v sandbox.Verdict) string {
	return fmt.Sprintf("sandbox %s (%d objects)", v.Sandbox, v.Objects)
}

// ended removes the sandboxes of ended jobs and prints nothing: their removal was on its
// way.
func (g *collection) ended(ctx context.Context) (int, error) {
	_, err := g.d.FinishEnded(ctx)
	return 0, err
}

// sandboxes sweeps sandboxes without a living job.
func (g *collection) sandboxes(ctx context.Context) (found int, err error) {
	verdicts, err := g.d.Sweep(ctx, time.Now(), g.s.PrepareBound(), g.dryRun)
	g.record.Swept = leaked(verdicts)
	verbs := map[sandbox.Fate]string{sandbox.Swept: g.verb, sandbox.Unclear: "cannot judge"}
	if g.verbose {
		verbs[sandbox.Spared] = "left"
	}
	for _, v := range verdicts {
		if v.Failed {
			continue // the error tells
		}
		if v.Fate == sandbox.Swept {
			found++
		}
		if verb, ok := verbs[v.Fate]; ok {
			g.tell(verb, sandboxText(v), v.Reason)
		}
	}
	return found, err
}

// heldSandboxes removes the sandboxes of failed jobs held for a look inside.
func (g *collection) heldSandboxes(ctx context.Context) (int, error) {
	verdicts, err := g.d.EndHeld(ctx, time.Now(), g.dryRun)
	verdicts = slices.DeleteFunc(verdicts, func(v sandbox.Verdict) bool { return v.Failed })
	for _, v := range verdicts {
		g.tell(g.verb, sandboxText(v), v.Reason)
	}
	return len(verdicts), err
}

// mirrors removes mirrors that the settings do not want.
func (g *collection) mirrors(ctx context.Context) (int, error) {
	var m plan.Mirror
	if g.s.Mirror.Enabled {
		var err error
		if m, err = access.Mirror(g.s); err != nil {
			return 0, err
		}
	}
	return g.tellMirrors(g.d.SweepMirrors(ctx, m.Name, m.MaxSize, true, g.dryRun))(g.dryRun)
}

// seeds removes seeds that the settings do not want.
func (g *collection) seeds(ctx context.Context) (int, error) {
	removed, err := g.d.SweepSeeds(ctx, plan.SeedWishes(g.s), g.dryRun)
	for _, seed := range removed {
		why := "it was never ready"
		if seed.Ready {
			why = "no settings use it any more, or a newer one serves"
		}
		g.tell(g.verb, "seed "+seed.Name, why)
	}
	return len(removed), err
}

// damagedLayers removes data roots that no job may have, and clears those still due.
func (g *collection) damagedLayers(ctx context.Context) (int, error) {
	removed, err := g.d.ClearLayers(ctx, g.dryRun)
	for _, name := range removed {
		g.tell(g.verb, "layers "+name, "they are damaged")
	}
	return len(removed), err
}

// cached removes caches and layers beyond the bounds.
func (g *collection) cached(ctx context.Context) (int, error) {
	s := g.s
	if g.olderThan != nil {
		s = unusedFor(s, *g.olderThan)
	}
	if g.maxSize != nil {
		s.Cache.MaxSize = *g.maxSize
	}
	removed, err := g.d.RemoveCached(ctx, s, time.Now(), g.dryRun)
	for _, e := range removed {
		g.record.Evicted++
		g.record.Freed += max(0, e.Size)
		what, whose := "cache", e.Scope
		if e.Role == plan.RoleData {
			what = "layers"
		}
		if e.Project != "" {
			whose += " (" + e.Project + ")"
		}
		if e.Size >= 0 {
			whose += ", " + config.Size(e.Size).String()
		}
		g.tell(g.verb, what+" "+e.Name+" of "+whose, e.Reason)
	}
	return len(removed), err
}

// unusedFor returns settings that remove everything unused for the given age.
func unusedFor(s config.Settings, age time.Duration) config.Settings {
	s.Cache.MaxAge = config.Duration(max(age, 1)) // 0 would be no bound
	s.Policies = slices.Clone(s.Policies)
	for i := range s.Policies {
		s.Policies[i].Cache.MaxAge = nil
	}
	return s
}

// stuck removes volumes that resisted their removal.
func (g *collection) stuck(ctx context.Context) (int, error) {
	freed, failed, err := g.d.FreeStuck(ctx, g.dryRun)
	g.record.FailedRemovals += failed
	for _, v := range freed {
		g.tell(g.verb, "volume "+wary.Line(v.Name)+", which resisted", wary.Line(v.Reason))
	}
	return len(freed), err
}
