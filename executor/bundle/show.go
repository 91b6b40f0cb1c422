package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/hostfile"
)

// Find opens the directory place, and returns the names of a job's bundles there. job is
// the job's id or whole key. Without a bundle the error is fs.ErrNotExist.
func Find(place, job string) (*hostfile.Dir, []string, error) {
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
	names, err := ofJob(dir, job)
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	return dir, names, nil
}

// largest bounds a bundle, in bytes; ours have some kilobytes.
const largest = 16 << 20

// Read reads a bundle by a name from Find.
func Read(dir *hostfile.Dir, name string) (Bundle, error) {
	var b Bundle
	src, err := dir.ReadOwn(name, largest)
	if err == nil {
		err = json.Unmarshal(src, &b)
	}
	if err != nil {
		return b, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// Show prints the bundle for a person.
func (b Bundle) Show(out io.Writer) {
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

func during(c looking.ContainerReport) string {
	if c.Started.Year() < 2000 {
		return ""
	}
	text := ", started " + c.Started.Format(time.TimeOnly)
	if c.Finished.After(c.Started) {
		text += fmt.Sprintf(", ran %.1f s", c.Finished.Sub(c.Started).Seconds())
	}
	return text
}
