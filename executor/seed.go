package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/access"
	"gitlab-dind-executor/executor/progress"
	"gitlab-dind-executor/fault"
)

// seedBound bounds the making of all seeds. Pulls have bounds of their own.
const seedBound = 6 * time.Hour

func (c *call) seedCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "seed",
		Short: "Fetch the images that the daemons of jobs have from their start",
		Long: "Makes a seed of cache.seed_images for each dind image of the settings: a volume with\n" +
			"those images, of which the docker daemon of a job gets a copy where it would start\n" +
			"empty. They are fetched anew each time, with the credentials of the user's own docker\n" +
			"configuration; jobs get them when all are there, and the old ones until then.",
		Args: cobra.NoArgs,
		RunE: c.onEngine(within(seedBound), c.seed),
	}
	cmd.AddCommand(&cobra.Command{
		Use: "status", Short: "List the seeds", Args: cobra.NoArgs,
		RunE: c.onEngine(within(gcBound), c.seedStatus),
	}, &cobra.Command{
		Use: "remove", Short: "Remove all seeds; those in use go with a later gc", Args: cobra.NoArgs,
		RunE: c.onEngine(within(gcBound), func(ctx context.Context, _ config.Settings, d *driver.Driver) error {
			removed, err := d.SweepSeeds(ctx, nil, false)
			fmt.Fprintf(c.stdout, "removed %d\n", len(removed))
			return err
		}),
	})
	return cmd
}

// seed makes every seed of the settings. A failure leaves the other seeds alone.
func (c *call) seed(ctx context.Context, s config.Settings, d *driver.Driver) error {
	wishes := plan.SeedWishes(s)
	if len(wishes) == 0 {
		fmt.Fprintln(c.stdout, "made 0: cache.seed_images is empty")
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("reading this program, which copies seeds in sidecars: %w", err)
	}
	failed := 0
	show, done := c.showing(stepsOf(wishes))
	defer done()
	for _, w := range wishes {
		if w.Unfit != "" {
			fmt.Fprintf(c.stdout, "no seed for %s: %s\n", w.Image, w.Unfit)
			continue
		}
		if err := c.makeSeed(ctx, s, d, w, program, show); err != nil {
			if ctx.Err() != nil {
				return err
			}
			failed++
			c.log.Fail(access.ForAdmin(err))
			continue
		}
		fmt.Fprintf(c.stdout, "made the seed for %s: %s\n", w.Image, strings.Join(w.Images, " "))
	}
	_, err = d.SweepSeeds(ctx, wishes, false)
	if failed > 0 {
		err = errors.Join(err, fault.System(fmt.Errorf("%d of %d seeds could not be made; jobs have those of before, if there are", failed, len(wishes)), ""))
	}
	return err
}

// stepsOf counts the steps in the making of seeds: a daemon for each seed, and its images
// to pull.
func stepsOf(wishes []plan.SeedWish) (steps int) {
	for _, w := range wishes {
		if w.Unfit == "" {
			steps += 1 + len(w.Images)
		}
	}
	return steps
}

func (c *call) makeSeed(ctx context.Context, s config.Settings, d *driver.Driver, w plan.SeedWish, program []byte, show *progress.Show) error {
	facts, err := c.facts(ctx, d, s)
	if err != nil {
		return err
	}
	if err := d.HasRoom(ctx, s.Admission, facts.DataRoot); err != nil {
		return err
	}
	facts.Started = time.Now()
	p, err := plan.BuildSeed(w, facts)
	if err != nil {
		return err
	}
	creds := access.OfUser(ctx, c.env, plan.Hosts(append([]string{w.Image}, w.Images...)), c.log.Warn)
	var images []driver.SeedImage
	for _, name := range w.Images {
		ref, err := plan.PrepullRef(name, creds)
		if err != nil {
			return err
		}
		images = append(images, driver.SeedImage{Name: name, Ref: ref})
	}
	if own, err := plan.PrepullRef(w.Image, creds); err == nil {
		p.Sidecar.Image.Auth = own.Auth
	}
	show.Begin("seed for " + w.Image)
	return d.MakeSeed(ctx, w, p, images, program, driver.Telling{
		Say: func(line string) { fmt.Fprintln(c.stdout, line) }, Bytes: show.Telling(),
	})
}

func (c *call) seedStatus(ctx context.Context, s config.Settings, d *driver.Driver) error {
	seeds, err := d.Seeds(ctx)
	if err != nil {
		return err
	}
	wishes := map[string]plan.SeedWish{}
	for _, w := range plan.SeedWishes(s) {
		if w.Unfit != "" {
			fmt.Fprintf(c.stdout, "no seed for %s: %s\n", w.Image, w.Unfit)
			continue
		}
		wishes[w.ID] = w
	}
	missing := map[string]plan.SeedWish{}
	for id, w := range wishes {
		missing[id] = w
	}
	now := time.Now()
	w := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	if len(seeds) > 0 {
		fmt.Fprintln(w, "SEED\tAGE\tSTATE\tFOR\tIMAGES")
	}
	for _, seed := range seeds {
		wish, wanted := wishes[seed.Wish]
		_, first := missing[seed.Wish]
		state := "not ready"
		switch {
		case seed.Ready && wanted && first:
			state = "serves"
			delete(missing, seed.Wish)
		case seed.Ready:
			state = "to be removed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", seed.Name, units.HumanDuration(now.Sub(seed.Created)), state, wish.Image, strings.Join(wish.Images, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case len(missing) > 0:
		fmt.Fprintf(c.stdout, "%d of %d seeds are missing: gitlab-dind-executor seed makes them\n", len(missing), len(wishes))
	case len(seeds) == 0:
		fmt.Fprintln(c.stdout, "there is no seed, and the settings want none")
	}
	return nil
}
