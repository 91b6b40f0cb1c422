package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// gcBound keeps one gc from lasting until the next comes.
const gcBound = 10 * time.Minute

// gcCommand sweeps up what no living job owns.
func (c *call) gcCommand() *cobra.Command {
	var dryRun, verbose, caches, held bool
	var olderThan time.Duration
	var maxSize string
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no living job owns",
		Long: "Removes sandboxes whose network is gone, in which nothing was made, whose owner is\n" +
			"dead, or whose deadline has passed while their owner cannot be proved alive; with\n" +
			"--caches, too what is cached for projects, caches and layers, beyond the settings'\n" +
			"cache.max_age and cache.max_size: what was unused for longest first, and nothing that\n" +
			"a job uses now. Registry mirrors go that the settings do not want or that store too\n" +
			"much, and seeds that they do not want or that are not whole. Volumes that resisted their\n" +
			"removal are emptied first: their files are no longer immutable, what is mounted there is\n" +
			"unmounted. It touches nothing else, and names what it cannot judge.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, size := cmd.Flags().Changed("older-than"), cmd.Flags().Changed("max-size")
			if (age || size) && !caches {
				return fault.System(errors.New("--older-than and --max-size are about --caches"), "add --caches")
			}
			c.recorded = c.recorded && !dryRun
			settings, d, err := c.open()
			if err != nil {
				return err
			}
			defer d.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), gcBound)
			defer cancel()
			verdicts, err := d.Sweep(ctx, time.Now(), PrepareBound(settings), dryRun)
			c.record.Swept = leaked(verdicts)
			verb := "removed"
			if dryRun {
				verb = "would remove"
			}
			verbs := map[driver.Fate]string{driver.Swept: verb, driver.Unclear: "cannot judge"}
			if verbose {
				verbs[driver.Spared] = "left"
			}
			found := 0
			for _, v := range verdicts {
				if v.Failed {
					continue // the error tells
				}
				if v.Fate == driver.Swept {
					found++
				}
				if verb, ok := verbs[v.Fate]; ok {
					fmt.Fprintf(c.stdout, "%s sandbox %s (%d objects): %s\n", verb, v.Sandbox, v.Objects, v.Reason)
				}
			}
			if held {
				n, heldErr := c.gcHeld(ctx, d, dryRun, verb)
				found, err = found+n, errors.Join(err, heldErr)
			}
			mirrors, mirrorErr := c.gcMirrors(ctx, d, settings, dryRun)
			found, err = found+mirrors, errors.Join(err, mirrorErr)
			seeds, seedErr := c.gcSeeds(ctx, d, settings, dryRun, verb)
			found, err = found+seeds, errors.Join(err, seedErr)
			cleared, clearErr := d.ClearLayers(ctx, dryRun)
			for _, name := range cleared {
				fmt.Fprintf(c.stdout, "%s layers %s: they are damaged\n", verb, name)
			}
			found, err = found+len(cleared), errors.Join(err, clearErr)
			if caches {
				if age {
					settings = unusedFor(settings, olderThan)
				}
				if size {
					if err := settings.Cache.MaxSize.UnmarshalText([]byte(maxSize)); err != nil {
						return fmt.Errorf("--max-size: %w", err)
					}
				}
				n, cacheErr := c.gcCaches(ctx, d, settings, dryRun, verb)
				found, err = found+n, errors.Join(err, cacheErr)
			}
			freed, stuckErr := c.gcStuck(ctx, d, dryRun, verb)
			found, err = found+freed, errors.Join(driver.ButStuck(err), stuckErr)
			if found == 0 && err == nil {
				fmt.Fprintln(c.stdout, "nothing to remove")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also say what is left and why")
	cmd.Flags().BoolVar(&caches, "caches", false, "remove caches and layers beyond the settings' bounds, too")
	cmd.Flags().BoolVar(&held, "held", false, "remove sandboxes of failed jobs that cleanup.hold_failed holds, too")
	c.renamed(cmd, "held", "kept")
	cmd.Flags().DurationVar(&olderThan, "older-than", 0, "with --caches: those unused for this `DURATION`, instead of cache.max_age; 0s for all")
	cmd.Flags().StringVar(&maxSize, "max-size", "", "with --caches: leave this `SIZE`, instead of cache.max_size")
	return cmd
}

// gcHeld removes the held sandboxes of failed jobs.
func (c *call) gcHeld(ctx context.Context, d *driver.Driver, dryRun bool, verb string) (int, error) {
	verdicts, err := d.EndHeld(ctx, time.Now(), dryRun)
	verdicts = slices.DeleteFunc(verdicts, func(v driver.Verdict) bool { return v.Failed })
	for _, v := range verdicts {
		fmt.Fprintf(c.stdout, "%s sandbox %s (%d objects): %s\n", verb, v.Sandbox, v.Objects, v.Reason)
	}
	return len(verdicts), err
}

// gcStuck removes the volumes that resisted their removal.
func (c *call) gcStuck(ctx context.Context, d *driver.Driver, dryRun bool, verb string) (int, error) {
	freed, failed, err := d.FreeStuck(ctx, dryRun)
	c.record.FailedRemovals += failed
	for _, v := range freed {
		fmt.Fprintf(c.stdout, "%s volume %s, which resisted: %s\n", verb, wary.Line(v.Name), wary.Line(v.Reason))
	}
	return len(freed), err
}

// unusedFor are settings by which all goes that was unused for so long.
func unusedFor(s config.Settings, age time.Duration) config.Settings {
	s.Cache.MaxAge = config.Duration(max(age, 1)) // 0 is no bound
	s.Policies = slices.Clone(s.Policies)
	for i := range s.Policies {
		s.Policies[i].Cache.MaxAge = nil
	}
	return s
}

// gcCaches removes what is cached beyond the settings' bounds.
func (c *call) gcCaches(ctx context.Context, d *driver.Driver, s config.Settings, dryRun bool, verb string) (int, error) {
	removed, err := d.RemoveCached(ctx, s, time.Now(), dryRun)
	for _, e := range removed {
		c.record.Evicted++
		c.record.Freed += max(0, e.Size)
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
		fmt.Fprintf(c.stdout, "%s %s %s of %s: %s\n", verb, what, e.Name, whose, e.Reason)
	}
	return len(removed), err
}
