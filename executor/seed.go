package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

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
		Short: "Make the seeds: the images that a job's daemon starts with",
		Long: "Makes a seed for each dind image of the settings. A seed is a volume with the images of\n" +
			"cache.seed_images. A daemon that would start empty starts with a copy of the seed.\n\n" +
			"seed fetches the images anew each time, with the credentials of the user's own docker\n" +
			"configuration. Jobs use the old seed until the new one is whole.",
		Args: cobra.NoArgs,
		RunE: c.onEngine(within(seedBound), c.seed),
	}
	cmd.AddCommand(c.listCommand("status", "List the seeds", c.seedStatus), &cobra.Command{
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
		err = errors.Join(err, fault.System(fmt.Errorf("%d of %d seeds could not be made; jobs use the earlier seeds, if any", failed, len(wishes)), ""))
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
	if err := d.HasRoom(ctx, plan.Demand{Admission: s.Admission}, facts.DataRoot); err != nil {
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

// seedState is a line of seed status.
type seedState struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	State   string    `json:"state"`
	// Image is the sidecar's, and Images are in the seed.
	Image  string   `json:"image"`
	Images []string `json:"images"`
}

func (c *call) seedStatus(asJSON bool) look {
	return func(ctx context.Context, s config.Settings, d *driver.Driver) error {
		return c.showSeeds(ctx, s, d, asJSON)
	}
}

func (c *call) showSeeds(ctx context.Context, s config.Settings, d *driver.Driver, asJSON bool) error {
	seeds, err := d.Seeds(ctx)
	if err != nil {
		return err
	}
	wishes := map[string]plan.SeedWish{}
	for _, w := range plan.SeedWishes(s) {
		if w.Unfit != "" {
			if asJSON {
				continue
			}
			fmt.Fprintf(c.stdout, "no seed for %s: %s\n", w.Image, w.Unfit)
			continue
		}
		wishes[w.ID] = w
	}
	missing := map[string]plan.SeedWish{}
	for id, w := range wishes {
		missing[id] = w
	}
	list := []seedState{}
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
		list = append(list, seedState{seed.Name, seed.Created, state, wish.Image, append([]string{}, wish.Images...)}) // none is [], not null
	}
	if asJSON {
		return c.printJSON(list)
	}
	now := time.Now()
	w := tabwriter.NewWriter(c.stdout, 0, 8, 2, ' ', 0)
	if len(list) > 0 {
		fmt.Fprintln(w, "SEED\tAGE\tSTATE\tFOR\tIMAGES")
	}
	for _, one := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.Name, config.Age(now.Sub(one.Created)), one.State, one.Image, strings.Join(one.Images, " "))
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
