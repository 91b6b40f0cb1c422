package executor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// explainCommand shows the bundle of a failed job.
func (c *call) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain JOB",
		Short: "Show the bundle of a failed job, by the job's id: why it failed",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := c.load()
			if err != nil {
				return err
			}
			place := bundleDir(s.Bundles, c.env)
			dir, names, err := bundlesOf(place, args[0])
			if err != nil {
				return fault.System(err, fmt.Sprintf("bundles of failed jobs stay for %s in %s; run this as the Runner's user", s.Bundles.MaxAge.Std(), place))
			}
			defer dir.Close()
			for _, n := range names {
				b, err := readBundle(dir, n)
				if err != nil {
					return err
				}
				b.show(c.stdout)
			}
			return nil
		},
	}
}

// bundlesOf opens the directory with bundles, and finds a job's.
func bundlesOf(place, job string) (*hostfile.Dir, []string, error) {
	if place == "" {
		return nil, nil, errors.New("this user has no directory for bundles")
	}
	dir, err := hostfile.Open(place)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no bundle of job %s: %w", job, fs.ErrNotExist)
	}
	if err != nil {
		return nil, nil, err
	}
	names, err := findBundles(dir, job)
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	return dir, names, nil
}

// maxBundle bounds a bundle; ours have some kilobytes.
const maxBundle = 16 << 20

func readBundle(dir *hostfile.Dir, name string) (bundle, error) {
	var b bundle
	src, err := dir.ReadOwn(name, maxBundle)
	if err == nil {
		err = json.Unmarshal(src, &b)
	}
	if err != nil {
		return b, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

func (b bundle) show(out io.Writer) {
	r := b.Report
	fmt.Fprintf(out, "job %s of %s, ended %s\n", b.Job, b.Project, b.Time.Format(time.RFC3339))
	fmt.Fprintf(out, "sandbox %s, made %s\n", r.Sandbox, r.Created.Format(time.RFC3339))
	fmt.Fprintf(out, "%s\n\n", joblog.ClosingLine(r.Usage))
	for _, c := range r.Containers {
		state := c.Status
		if c.Status == "exited" || c.Status == "dead" {
			state = fmt.Sprintf("%s with code %d", c.Status, c.ExitCode)
		}
		if c.OutOfMemory {
			state += ", out of memory"
		}
		if c.Error != "" {
			state += ": " + c.Error
		}
		fmt.Fprintf(out, "%-8s %s\n         %s%s\n", c.Role, c.Image, state, during(c))
	}
	if len(r.SidecarLog) > 0 {
		fmt.Fprintf(out, "\nlast lines of the docker daemon:\n")
		for _, line := range r.SidecarLog {
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
}

func during(c driver.ContainerReport) string {
	if c.Started.Year() < 2000 {
		return ""
	}
	text := ", started " + c.Started.Format(time.TimeOnly)
	if c.Finished.After(c.Started) {
		text += fmt.Sprintf(", ran %.1f s", c.Finished.Sub(c.Started).Seconds())
	}
	return text
}
