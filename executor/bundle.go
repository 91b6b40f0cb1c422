package executor

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/hostfile"
)

// bundle is what explain reads of a failed job. No variable's
// value is in it.
type bundle struct {
	Job     string
	Project string
	Time    time.Time
	Version string
	Report  driver.Report
}

// bundleBound is what collecting may take: the job's status waits for it.
const bundleBound = 3 * time.Second

// thisHost is what the place of bundles and of the operator's log depends on.
// Tests must not write where those of the machine are.
var thisHost = telemetry.ThisHost

// bundleDir is where bundles are: the settings', else with the operator's log;
// "" if there is no place.
func bundleDir(s config.Bundles, env payload.Environment) string {
	return cmp.Or(s.Dir, telemetry.StateDir(env, os.Geteuid(), thisHost()))
}

// bundleName is a bundle's file name: the job's id, readable, and a hash of its
// whole key.
func bundleName(p *payload.Job) string {
	sum := sha256.Sum256([]byte(p.Key()))
	return fmt.Sprintf("job-%d-%s.json", p.ID, hex.EncodeToString(sum[:]))
}

// writeBundle collects and writes the bundle of a failed job and removes those
// that are too old. Its errors are the operator's, and no job fails for them.
func writeBundle(ctx context.Context, d *driver.Driver, s config.Bundles, p *payload.Job, env payload.Environment, now time.Time) error {
	dir := bundleDir(s, env)
	if s.MaxAge <= 0 || dir == "" || env.Variable("CI_JOB_STATUS") != "failed" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bundleBound)
	defer cancel()
	report, err := d.Report(ctx, p.Key())
	if errors.Is(err, driver.ErrGone) {
		return nil // a cleanup before this one has looked
	}
	if err != nil {
		return err
	}
	redactReport(&report, newRedactor(payload.Secrets(p, env)))
	b, err := json.MarshalIndent(bundle{p.Key(), p.Project(), now.UTC(), label.Version, report}, "", "  ")
	if err != nil {
		return err
	}
	place, err := hostfile.OpenOrMake(dir)
	if err != nil {
		return err
	}
	defer place.Close()
	pruneBundles(place, now.Add(-s.MaxAge.Std()))
	return place.Write(bundleName(p), b, 0o600)
}

func pruneBundles(dir *hostfile.Dir, before time.Time) {
	names, _ := bundlesIn(dir, "")
	for _, n := range names {
		if written, err := dir.Modified(n); err == nil && written.Before(before) {
			_ = dir.Remove(n) // the next job tries again
		}
	}
}

// mostBundles bounds how many names of a directory are looked at.
const mostBundles = 100_000

// bundlesIn returns the names of the bundles in a directory: of one job, or all.
func bundlesIn(dir *hostfile.Dir, id string) ([]string, error) {
	names, err := dir.Names(mostBundles)
	slices.Sort(names)
	pattern := regexp.MustCompile(`^job-` + cmp.Or(regexp.QuoteMeta(id), `\d+`) + `-.*\.json$`)
	return slices.DeleteFunc(names, func(n string) bool { return !pattern.MatchString(n) }), err
}

// findBundles returns the names of a job's bundles, by its id or its whole key.
func findBundles(dir *hostfile.Dir, job string) ([]string, error) {
	id := job[strings.LastIndexByte(job, '/')+1:]
	if id == "" || strings.Trim(id, "0123456789") != "" {
		return nil, fmt.Errorf("%q is no job id", job)
	}
	names, err := bundlesIn(dir, id)
	if err != nil || len(names) == 0 {
		return nil, errors.Join(err, fmt.Errorf("there is no bundle of job %s: %w", job, fs.ErrNotExist))
	}
	return names, nil
}
