package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/hostfile"
)

// ErrNoPlace says: a user has no directory for bundles.
var ErrNoPlace = errors.New("this user has no directory for bundles")

// Find reads the bundles of a job, by its id or its whole key. Several GitLab instances may
// each have a job with the same id. A job without a bundle is no error.
func Find(place, job string) ([]Bundle, error) {
	if place == "" {
		return nil, ErrNoPlace
	}
	dir, err := hostfile.Open(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := ofJob(dir, job)
	if err != nil {
		return nil, err
	}
	var list []Bundle
	for _, n := range names {
		b, err := Read(dir, n)
		if err != nil {
			return nil, err
		}
		if !strings.Contains(job, "/") || b.Job == job {
			list = append(list, b)
		}
	}
	return list, nil
}

// Newest reads the newest bundles of a directory, at most count, the newest first. all
// counts the bundles there. Unreadable bundles are counted and left out.
func Newest(place string, count int) (list []Bundle, all int, err error) {
	if place == "" {
		return nil, 0, ErrNoPlace
	}
	dir, err := hostfile.Open(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer dir.Close()
	names, err := namesIn(dir, "")
	if err != nil {
		return nil, 0, err
	}
	written := map[string]time.Time{}
	for _, n := range names {
		written[n], _ = dir.Modified(n) // a vanished bundle counts as the oldest
	}
	slices.SortStableFunc(names, func(a, b string) int { return written[b].Compare(written[a]) })
	for _, n := range names[:min(len(names), count)] {
		if b, err := Read(dir, n); err == nil {
			list = append(list, b)
		}
	}
	return list, len(names), nil
}

// largest bounds a bundle, in bytes; ours have some kilobytes.
const largest = 16 << 20

// Read reads a bundle, by its file name in the directory.
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

// Show prints the bundle for a person, without the last lines of the docker daemon.
func (b Bundle) Show(out io.Writer) {
	fmt.Fprintf(out, "job %s of %s, ended %s\n", b.Job, b.Project, b.Time.Format(time.RFC3339))
	ShowReport(out, b.Report)
}

// ShowReport prints the state of a job's containers, and the resources used by its docker
// daemon.
func ShowReport(out io.Writer, r looking.Report) {
	fmt.Fprintf(out, "sandbox %s, made %s\n", r.Sandbox, r.Created.Format(time.RFC3339))
	if line := joblog.ClosingLine(r.Usage); line != "" {
		fmt.Fprintf(out, "%s\n", line)
	}
	fmt.Fprintln(out)
	for _, c := range r.Containers {
		fmt.Fprintf(out, "%-8s %s\n         %s%s\n", c.Role, c.Image, StateOf(c), during(c))
	}
}

// ShowLines prints the last lines of the docker daemon.
func (b Bundle) ShowLines(out io.Writer) {
	if len(b.Report.SidecarLog) > 0 {
		fmt.Fprintf(out, "\nlast lines of the docker daemon:\n")
		for _, line := range b.Report.SidecarLog {
			fmt.Fprintf(out, "  %s\n", line)
		}
	}
}

// StateOf says in words how a container is, or how it ended.
func StateOf(c looking.ContainerReport) string {
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
	return state
}

func during(c looking.ContainerReport) string {
	if c.Started.Year() < 2000 {
		return ""
	}
	text := ", started " + c.Started.Format(time.TimeOnly)
	if ran := Ran(c); ran > 0 {
		text += fmt.Sprintf(", ran %.1f s", ran.Seconds())
	}
	return text
}

// Ran returns the running time of an ended container; 0 for any other container.
func Ran(c looking.ContainerReport) time.Duration {
	if c.Started.Year() < 2000 || !c.Finished.After(c.Started) {
		return 0
	}
	return c.Finished.Sub(c.Started)
}
