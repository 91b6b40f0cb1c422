package bundle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/redact"
	"gitlab-dind-executor/hostfile"
)

// Bundle is the record of a failed job for explain. A bundle holds no variable's value.
type Bundle struct {
	Job     string
	Project string
	// URL, Ref and Stage are the job's; a bundle of an older version has none.
	URL     string `json:",omitempty"`
	Ref     string `json:",omitempty"`
	Stage   string `json:",omitempty"`
	Time    time.Time
	Version string
	Report  looking.Report
}

// bound bounds the collecting: the job's status waits for it.
const bound = 3 * time.Second

// nameOf returns a bundle's file name: the job's id, readable, and a hash of its whole key.
func nameOf(p *payload.Job) string {
	sum := sha256.Sum256([]byte(p.Key()))
	return fmt.Sprintf("job-%d-%s.json", p.ID, hex.EncodeToString(sum[:]))
}

// Write collects and writes the bundle of a failed job into a directory, and removes
// bundles older than maxAge there. Write does nothing for a job that has not failed,
// without a directory, or for no age. peak returns the daemon's highest memory, in bytes.
// The errors are for the operator, and no job fails for them.
func Write(ctx context.Context, d *driver.Driver, dir string, maxAge time.Duration, p *payload.Job, env payload.Environment, peak func(job string, now uint64) uint64, now time.Time) error {
	if maxAge <= 0 || dir == "" || env.Variable("CI_JOB_STATUS") != "failed" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	report, err := d.Report(ctx, p.Key())
	if errors.Is(err, sandbox.ErrGone) {
		return nil // an earlier cleanup has looked
	}
	if err != nil {
		return err
	}
	report.Usage.PeakMemory = peak(p.Key(), report.Usage.Memory)
	redactReport(&report, redact.New(payload.Secrets(p, env)))
	about := p.About()
	b, err := json.MarshalIndent(Bundle{p.Key(), p.Project(), about.URL, about.Ref, about.Stage, now.UTC(), label.Version, report}, "", "  ")
	if err != nil {
		return err
	}
	place, err := hostfile.OpenOrMake(dir)
	if err != nil {
		return err
	}
	defer place.Close()
	prune(place, now.Add(-maxAge))
	return place.Write(nameOf(p), b, 0o600)
}

func prune(dir *hostfile.Dir, before time.Time) {
	names, _ := namesIn(dir, "")
	for _, n := range names {
		if written, err := dir.Modified(n); err == nil && written.Before(before) {
			_ = dir.Remove(n) // the next job tries again
		}
	}
}

// most bounds the number of names to read from a directory.
const most = 100_000

// namesIn returns the names of the bundles in a directory, for a job's id or, for "", of
// all jobs.
func namesIn(dir *hostfile.Dir, id string) ([]string, error) {
	names, err := dir.Names(most)
	slices.Sort(names)
	pattern := regexp.MustCompile(`^job-` + cmp.Or(regexp.QuoteMeta(id), `\d+`) + `-.*\.json$`)
	return slices.DeleteFunc(names, func(n string) bool { return !pattern.MatchString(n) }), err
}

// ofJob returns the names of the bundles of all jobs with this job's id.
func ofJob(dir *hostfile.Dir, job string) ([]string, error) {
	id := job[strings.LastIndexByte(job, '/')+1:]
	if id == "" || strings.Trim(id, "0123456789") != "" {
		return nil, fmt.Errorf("%q is no job id", job)
	}
	return namesIn(dir, id)
}

// redactReport redacts every text in a report that a job could have written.
func redactReport(report *looking.Report, r redact.Redactor) {
	for i, line := range report.SidecarLog {
		report.SidecarLog[i] = r.Others(line)
	}
	for i := range report.Containers {
		c := &report.Containers[i]
		for _, text := range []*string{&c.Name, &c.Image, &c.Status, &c.Error} {
			*text = r.Others(*text)
		}
	}
}
