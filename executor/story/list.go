package story

import (
	"fmt"
	"io"
	"path"
	"slices"
	"text/tabwriter"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/overview"
)

// Most bounds the jobs of a list.
const Most = 40

// List shows the jobs with a story: jobs with a sandbox, and the newest bundles. all is the
// number of bundles.
func List(out io.Writer, sandboxes []looking.SandboxStatus, bundles []bundle.Bundle, all int, now time.Time) {
	jobs := slices.DeleteFunc(slices.Clone(sandboxes), func(s looking.SandboxStatus) bool { return s.Job == "" })
	if len(jobs)+len(bundles) == 0 {
		fmt.Fprintln(out, "no job runs, and there is no bundle of a failed one")
		return
	}
	room := Most
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tPROJECT\tREF\tSTAGE\tWHAT")
	row := func(job, project, ref, stage, what string) {
		room--
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", overview.Shortened(path.Base(job), 20), overview.Shortened(project, 30), overview.Shortened(ref, 20), overview.Shortened(stage, 12), what)
	}
	for _, s := range jobs[:min(len(jobs), room)] {
		row(s.Job, s.Project, s.Ref, s.Stage, fmt.Sprintf("%s for %s", s.State, config.Age(now.Sub(s.Created))))
	}
	shown := bundles[:min(len(bundles), room)]
	for _, b := range shown {
		row(b.Job, b.Project, b.Ref, b.Stage, fmt.Sprintf("failed %s ago", config.Age(now.Sub(b.Time))))
	}
	_ = w.Flush() // the reader has gone
	if more := len(jobs) - Most; more > 0 {
		fmt.Fprintf(out, "… and %d more that have a sandbox: gitlab-dind-executor status --limit 0 shows them\n", more)
	}
	if more := all - len(shown); more > 0 {
		fmt.Fprintf(out, "… and %d more bundles\n", more)
	}
}
