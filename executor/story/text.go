package story

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/wary"
)

// Text prints the story for a person.
func (j Job) Text(out io.Writer) {
	project, url, ref, stage := j.about()
	if j.Bundle == nil || j.runs() {
		fmt.Fprintf(out, "job %s of %s, %s\n", wary.Line(j.Key), short(project, 200), j.at())
	}
	if j.Live != nil {
		bundle.ShowReport(out, *j.Live)
	}
	if j.Bundle != nil {
		j.Bundle.Show(out)
	}
	if url != "" {
		fmt.Fprintf(out, "\npage     %s\n", wary.Line(url))
	}
	if ref+stage != "" {
		fmt.Fprintf(out, "ref      %s\nstage    %s\n", short(ref, 200), short(stage, 200))
	}
	j.hooks(out)
	if j.Bundle != nil {
		j.Bundle.ShowLines(out)
	} else if j.runs() {
		fmt.Fprintf(out, "\nhint: gitlab-dind-executor logs %s --tail 20 shows the last lines of its docker daemon\n", wary.Line(j.Sandbox.Sandbox))
	}
	for _, m := range j.Missing {
		fmt.Fprintf(out, "\nnot known: %s\n", wary.Line(m))
	}
}

// at says in words where a job stands, or how the job ended.
func (j Job) at() string {
	if s := j.Sandbox; s != nil {
		text := fmt.Sprintf("%s for %s", s.State, config.Age(j.Now.Sub(s.Created)))
		if s.TimesOut != nil && j.runs() {
			text += ", " + config.Age(s.TimesOut.Sub(j.Now)) + " left"
		}
		return text
	}
	return "ended: " + j.result()
}

// hooks prints a line for each call of the job's hooks.
func (j Job) hooks(out io.Writer) {
	if len(j.History) == 0 {
		return
	}
	fmt.Fprintln(out, "\nwhat its hooks did (UTC):")
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	for _, r := range j.History {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", r.Began().UTC().Format(time.TimeOnly), short(nameOf(r), 30), seconds(r.Seconds), wary.Line(remark(r, true)))
	}
	_ = w.Flush() // into memory
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	}
}

// remark returns remarks about a call, with or without its fetched images.
func remark(r telemetry.Record, images bool) string {
	var list []string
	if isBehind(r) {
		list = append(list, "behind the job")
	}
	if r.Origin != "" {
		list = append(list, r.Origin)
	}
	for i, p := range r.Images {
		if !images {
			break
		}
		if i == mostRemarked {
			list = append(list, fmt.Sprintf("and %d images more", len(r.Images)-i))
			break
		}
		what := "pulled "
		if p.Failed {
			what = "did not pull "
		}
		list = append(list, what+short(p.Image, 60)+" in "+seconds(p.Seconds))
	}
	if r.DaemonWait > 0.05 {
		list = append(list, "waited "+seconds(r.DaemonWait)+" for docker")
	}
	if r.Result != telemetry.Success && r.Result != "" {
		list = append(list, ending(r))
	}
	return strings.Join(list, ", ")
}

// mostRemarked bounds the images named in a line.
const mostRemarked = 4

// ending describes the end of a call that was no success.
func ending(r telemetry.Record) string {
	switch {
	case r.ExitCode != 0:
		return fmt.Sprintf("failed with exit code %d", r.ExitCode)
	case r.Error != "":
		return "failed: " + r.Error
	}
	return r.Result
}

// seconds writes a duration for a person.
func seconds(s float64) string {
	d := time.Duration(max(0, s) * float64(time.Second))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}
