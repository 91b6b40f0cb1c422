package executor

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/story"
	"gitlab-dind-executor/fault"
)

// explainBound bounds the questions to the engine about a job.
const explainBound = 20 * time.Second

// explainCommand shows the known facts about a job.
func (c *call) explainCommand() *cobra.Command {
	var page bool
	cmd := &cobra.Command{
		Use:   "explain [JOB]",
		Short: "Show why a job failed, or what a running one is at; without JOB, list jobs",
		Long: "Shows the bundle of a failed job, what a running one is at, and what the hooks of a job did\n" +
			"by the operator's log. JOB is the number in the job's URL. With --html all of it is one page\n" +
			"for a browser, on standard output. The page needs no network and has no script.\n" +
			"Without JOB it lists the jobs that have a sandbox and those whose bundles are kept.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := c.load()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), explainBound)
			defer cancel()
			if len(args) == 0 {
				if page {
					return fault.System(errors.New("--html shows one job"), "gitlab-dind-executor explain lists jobs; gitlab-dind-executor explain JOB --html > job.html shows one")
				}
				return c.listStories(ctx, s)
			}
			j, err := c.story(ctx, s, args[0])
			if err != nil {
				return err
			}
			if page {
				return j.Page(c.stdout)
			}
			j.Text(c.stdout)
			return nil
		},
	}
	cmd.Flags().BoolVar(&page, "html", false, "print one page for a browser: gitlab-dind-executor explain JOB --html > job.html")
	return cmd
}

// listStories lists the jobs with a story. Sources that cannot be asked are named.
func (c *call) listStories(ctx context.Context, s config.Settings) error {
	bundles, all, bundlesErr := bundle.Newest(bundleDir(s.Bundles, c.env), story.Most)
	sandboxes, engineErr := c.sandboxesOf(ctx, s, "")
	if bundlesErr != nil && engineErr != nil {
		return fault.System(errors.Join(bundlesErr, engineErr), c.bundleHint(s))
	}
	if known := bundlesErr == nil && engineErr == nil; known || len(sandboxes)+len(bundles) > 0 {
		story.List(c.stdout, sandboxes, bundles, all, time.Now())
	}
	for _, err := range []error{bundlesErr, engineErr} {
		if err != nil {
			c.log.Warn(fault.Line(err))
		}
	}
	if bundlesErr != nil {
		fmt.Fprintln(c.stderr, "hint: "+c.bundleHint(s))
	}
	return nil
}

// story returns the known facts about a job, by its id or its whole key.
func (c *call) story(ctx context.Context, s config.Settings, job string) (story.Job, error) {
	id := job[strings.LastIndexByte(job, '/')+1:]
	if id == "" || strings.Trim(id, "0123456789") != "" {
		return story.Job{}, fault.System(fmt.Errorf("%q is no job", job), "a job is the number in its URL; gitlab-dind-executor explain lists those that it knows")
	}
	bundles, bundlesErr := bundle.Find(bundleDir(s.Bundles, c.env), job)
	if bundlesErr != nil && !errors.Is(bundlesErr, bundle.ErrNoPlace) {
		return story.Job{}, fault.System(bundlesErr, c.bundleHint(s))
	}
	sandboxes, engineErr := c.sandboxesOf(ctx, s, job)
	history, logErr := c.operatorLog().History(job)
	var missing []string
	for what, err := range map[string]error{"whether it runs: ": engineErr, "what its hooks did: ": logErr, "how it ended: ": bundlesErr} {
		if err != nil {
			missing = append(missing, what+fault.Line(err))
		}
	}
	slices.Sort(missing)
	keys := story.Keys(sandboxes, bundles, history)
	switch {
	case len(keys) > 1:
		return story.Job{}, fault.System(fmt.Errorf("%q may be any of %d jobs", job, len(keys)), "name one of them: "+strings.Join(keys[:min(len(keys), 8)], ", "))
	case len(keys) == 0 && len(missing) > 0:
		return story.Job{}, fault.System(fmt.Errorf("nothing is known of job %s; not known is %s", job, strings.Join(missing, "; ")), c.bundleHint(s))
	case len(keys) == 0:
		return story.Job{}, fault.System(fmt.Errorf("there is no bundle of job %s, no sandbox, and no line in the operator's log", job), c.bundleHint(s))
	}
	j := story.Job{Key: keys[0], Now: time.Now(), Version: label.Version, Missing: missing}.Tell(sandboxes, bundles, history)
	if j.Sandbox != nil && j.Bundle == nil {
		j.Live = c.liveReport(ctx, j.Key)
	}
	return j, nil
}

// bundleHint names the place of bundles, or says how to name a place.
func (c *call) bundleHint(s config.Settings) string {
	place := bundleDir(s.Bundles, c.env)
	if place == "" {
		return "set HOME or XDG_STATE_HOME to what the Runner's user has, or name a directory by bundles.dir in the settings"
	}
	if s.Bundles.MaxAge <= 0 {
		return "bundles.max_age in the settings is 0, so no bundle of a failed job stays"
	}
	return fmt.Sprintf("bundles of failed jobs stay for %s in %s; run this as the Runner's user", s.Bundles.MaxAge.Std(), place)
}

// sandboxesOf returns the sandboxes of a job, by its id or its whole key; "" returns those
// of all jobs.
func (c *call) sandboxesOf(ctx context.Context, s config.Settings, job string) ([]looking.SandboxStatus, error) {
	_, d, err := c.open()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Sandboxes(ctx, time.Now(), s.PrepareBound())
	return slices.DeleteFunc(all, func(one looking.SandboxStatus) bool {
		return one.Job == "" || job != "" && one.Job != job && path.Base(one.Job) != job
	}), err
}

// liveReport returns the state of a job's containers, or nil where the engine does not
// answer. The report has no lines of the containers: they may hold secrets that nobody
// knows.
func (c *call) liveReport(ctx context.Context, job string) *looking.Report {
	_, d, err := c.open()
	if err != nil {
		return nil
	}
	defer d.Close()
	report, err := d.Report(ctx, job)
	if err != nil {
		return nil
	}
	report.SidecarLog = nil
	for i := range report.Containers {
		one := &report.Containers[i]
		one.Image, one.Error = c.harmless(one.Image), c.harmless(one.Error)
	}
	return &report
}
