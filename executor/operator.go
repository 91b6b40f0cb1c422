package executor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver"
)

// cacheAge is how old a cache is that gc removes, unless told otherwise: a
// branch that lives two weeks keeps its cache.
const cacheAge = 14 * 24 * time.Hour

// gcBound keeps one gc from lasting until the next comes.
const gcBound = 10 * time.Minute

// gcCommand sweeps up what no living job owns.
func (c *call) gcCommand() *cobra.Command {
	var dryRun, verbose, caches bool
	var olderThan time.Duration
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what no living job owns",
		Long: "Removes sandboxes whose network is gone, in which nothing was made, whose owner is\n" +
			"dead, or whose deadline has passed while their owner cannot be proved alive; with\n" +
			"--caches, the caches of projects that no job uses now, too. It touches nothing else,\n" +
			"and names what it cannot judge.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("older-than") && !caches {
				return errors.New("--older-than is about --caches")
			}
			settings, d, err := c.open()
			if err != nil {
				return err
			}
			defer d.Close()
			ctx, cancel := context.WithTimeout(cmd.Context(), gcBound)
			defer cancel()
			verdicts, err := d.Sweep(ctx, time.Now(), PrepareBound(settings), dryRun)
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
				if v.Fate == driver.Swept {
					found++
				}
				if verb, ok := verbs[v.Fate]; ok {
					fmt.Fprintf(c.stdout, "%s sandbox %s (%d objects): %s\n", verb, v.Sandbox, v.Objects, v.Reason)
				}
			}
			if caches {
				n, cacheErr := c.gcCaches(ctx, d, olderThan, dryRun, verb)
				found, err = found+n, errors.Join(err, cacheErr)
			}
			if found == 0 && err == nil {
				fmt.Fprintln(c.stdout, "nothing to remove")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also say what is left and why")
	cmd.Flags().BoolVar(&caches, "caches", false, "remove old caches, too")
	cmd.Flags().DurationVar(&olderThan, "older-than", cacheAge, "with --caches: those that were made this `DURATION` ago or earlier")
	return cmd
}

// gcCaches removes caches that are old and not in use.
func (c *call) gcCaches(ctx context.Context, d *driver.Driver, age time.Duration, dryRun bool, verb string) (int, error) {
	now := time.Now()
	removed, err := d.RemoveCaches(ctx, now.Add(-age), dryRun)
	for _, v := range removed {
		fmt.Fprintf(c.stdout, "%s cache %s of %s: made %s ago\n", verb, v.Name, v.Scope, units.HumanDuration(now.Sub(v.Created)))
	}
	return len(removed), err
}
