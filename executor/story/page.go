package story

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/joblog"
	"gitlab-dind-executor/executor/overview"
	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/wary"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page writes a page for a browser. The page has no script and asks no network.
func (j Job) Page(out io.Writer) error {
	if err := pageTemplate.Execute(out, j.view()); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// view holds the texts for the template. Each text is bounded and on one line.
type view struct {
	ID, Key, Project, URL, Ref, Stage string
	// Result is a word, Class its style and Lead a sentence about the job.
	Result, Class, Lead string
	Facts               []fact
	Time                timeline
	Legend              []legend
	Faults              []said
	Pulls               []pull
	Containers          []container
	Lines               []string
	Logs                string
	Missing             []string
	Sandbox             string
	Written, Version    string
}

type fact struct{ Name, Value, Note string }

type legend struct{ Kind, Text string }

type said struct{ Name, Error, Hint string }

type pull struct {
	Image, Size, Took string
	Width             float64
	Failed            bool
}

type container struct {
	Role, Image, State, Ran string
	Bad                     bool
}

// The bounds of a page.
const (
	mostPulls, mostContainers, mostFaults, mostLines = 40, 40, 10, 200
	widest                                           = 120
)

// short and long clean texts of others of possible secrets, by their form.
func short(text string, width int) string { return overview.Shortened(telemetry.Scrub(text), width) }

func long(text string) string { return telemetry.Clip(telemetry.Scrub(text)) }

func (j Job) view() view {
	project, url, ref, stage := j.about()
	v := view{
		ID: short(path.Base(j.Key), 20), Key: short(j.Key, widest), Project: short(project, widest),
		Ref: short(ref, widest), Stage: short(stage, widest), Result: short(j.result(), 20),
		Sandbox: "-", Written: j.Now.UTC().Format("2006-01-02 15:04:05"), Version: short(j.Version, 60),
	}
	if strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://") {
		v.URL = wary.Line(url)
	}
	var running time.Time
	if j.runs() {
		running = j.Now
		v.Logs = "gitlab-dind-executor logs " + short(j.Sandbox.Sandbox, 20) + " --tail 20"
	}
	v.Time = timelineOf(j.History, running)
	v.Class, v.Lead = j.class(), j.lead(v.Time)
	v.Legend = legendOf(v.Time.Bars)
	v.Facts = j.facts(v.Time)
	v.Pulls = j.pulls()
	report := looking.Report{}
	switch {
	case j.Bundle != nil:
		report = j.Bundle.Report
	case j.Live != nil:
		report = *j.Live
	case j.Sandbox != nil:
		report.Sandbox = j.Sandbox.Sandbox
	}
	v.Faults = j.faults(report.Containers)
	v.Sandbox = short(report.Sandbox, widest)
	for _, c := range report.Containers[:min(len(report.Containers), mostContainers)] {
		v.Containers = append(v.Containers, containerOf(c))
	}
	for _, line := range report.SidecarLog[max(0, len(report.SidecarLog)-mostLines):] {
		v.Lines = append(v.Lines, long(line))
	}
	for _, m := range j.Missing {
		v.Missing = append(v.Missing, long(wary.Line(m)))
	}
	if len(j.History) == 0 {
		v.Missing = append(v.Missing, "what its hooks did: the operator's log has no line about it; [log] in the settings says where that is, and it must not be off")
	}
	return v
}

// class is the style of a result.
func (j Job) class() string {
	switch r := j.result(); {
	case j.runs():
		return "running"
	case r == telemetry.Success || r == telemetry.Failed || r == "canceled":
		return r
	}
	return "unknown"
}

// endings are words for the end of a job, by class.
var endings = map[string]string{telemetry.Success: "Succeeded", telemetry.Failed: "Failed", "canceled": "Was canceled", "unknown": "Ended"}

// lead returns a sentence about the job's state.
func (j Job) lead(t timeline) string {
	took := t.jobHasEnded.Sub(t.begin).Seconds()
	var text string
	switch {
	case j.runs():
		at := j.at()
		text = strings.ToUpper(at[:1]) + at[1:] + "." // a state is a word of ours
	case took > 0:
		text = endings[j.class()] + " after " + seconds(took) + "."
	case j.Bundle != nil:
		text = "Failed at " + j.Bundle.Time.UTC().Format("2006-01-02 15:04:05") + " UTC."
	}
	for _, r := range j.History {
		if r.Result == telemetry.Failed && !isBehind(r) {
			how := strings.TrimPrefix(ending(r), "failed ")
			return text + " The first to fail was " + short(nameOf(r), 40) + ", " + strings.TrimSuffix(long(wary.Line(strings.TrimPrefix(how, "failed: "))), ".") + "."
		}
	}
	return text
}

// facts returns the numbers that people ask for first.
func (j Job) facts(t timeline) []fact {
	var list []fact
	add := func(name, value, note string) { list = append(list, fact{name, value, note}) }
	if took := t.jobHasEnded.Sub(t.begin).Seconds(); took > 0 {
		add("whole job", seconds(took), "from its first hook")
	}
	var ready, script, pulled float64
	images := 0
	origin := ""
	for _, r := range j.History {
		if r.Hook == "prepare" {
			ready, origin = r.Seconds, r.Origin
		}
		ready += r.DaemonWait
		if r.Stage == "build_script" || strings.HasPrefix(r.Stage, "step_") {
			script += r.Seconds
		}
		images += r.Pulls
		pulled += r.PullSeconds
	}
	if ready > 0 {
		add("docker ready after", seconds(ready), short(origin, 40))
	}
	if script > 0 {
		add("script", seconds(script), "")
	}
	if images > 0 {
		add("pulled by the host", fmt.Sprintf("%d", images), "images in "+seconds(pulled))
	}
	if s := j.Sandbox; s != nil && s.TimesOut != nil && j.runs() {
		add("time left", config.Age(s.TimesOut.Sub(j.Now)), "of the job's timeout")
	}
	return append(list, j.usageFacts()...)
}

// usageFacts returns the numbers of the job's docker daemon.
func (j Job) usageFacts() []fact {
	u, known := j.usage()
	if n := j.used(); n != nil && !known {
		u = looking.Usage{
			PeakMemory: n.PeakMemory, Received: n.Received, Written: n.Written, Disk: n.Disk, Boot: inSeconds(n.Boot), Layers: plan.LayersState(n.Layers),
		}
	}
	var list []fact
	add := func(name string, n uint64, note string) {
		if n > 0 {
			list = append(list, fact{name, config.Size(min(n, math.MaxInt64)).String(), note})
		}
	}
	add("peak memory", u.PeakMemory, "docker daemon and builds")
	if u.PeakMemory == 0 {
		add("memory now", u.Memory, "docker daemon and builds")
	}
	add("disk", u.Disk, "held by docker daemon")
	add("written", u.Written, "to disk")
	add("received", u.Received, "from the network")
	if u.Boot > 0 && !u.Warm {
		list = append(list, fact{"boot", seconds(u.Boot.Seconds()), "until docker listened"})
	}
	if text := joblog.Layers(u.Layers); text != "" {
		state, note, _ := strings.Cut(text, " (")
		list = append(list, fact{"layers", strings.Replace(strings.TrimPrefix(state, "layers "), "no layers", "none", 1), strings.TrimSuffix(note, ")")})
	}
	return list
}

// faults returns the errors of hooks, and containers that ran out of memory.
func (j Job) faults(containers []looking.ContainerReport) []said {
	var list []said
	for _, c := range containers {
		if c.OutOfMemory && len(list) < mostFaults {
			list = append(list, said{short(c.Role, 20), short(c.Image, widest) + " " + long(wary.Line(bundle.StateOf(c))), "[limits] in the settings bounds its memory"})
		}
	}
	for _, r := range j.History {
		if r.Error != "" && len(list) < mostFaults {
			list = append(list, said{short(nameOf(r), 40), long(r.Error), long(r.Hint)})
		}
	}
	return list
}

// pulls returns the images fetched for the job, the slowest first.
func (j Job) pulls() []pull {
	var all []telemetry.Pull
	for _, r := range j.History {
		all = append(all, r.Images...)
	}
	slices.SortStableFunc(all, func(a, b telemetry.Pull) int { return int(b.Seconds*1000) - int(a.Seconds*1000) })
	var list []pull
	for _, p := range all[:min(len(all), mostPulls)] {
		one := pull{short(p.Image, widest), "", seconds(p.Seconds), percent(p.Seconds / max(0.001, all[0].Seconds)), p.Failed}
		if p.Bytes > 0 {
			one.Size = config.Size(p.Bytes).String()
		}
		list = append(list, one)
	}
	return list
}

func containerOf(c looking.ContainerReport) container {
	one := container{
		Role: short(c.Role, 20), Image: short(c.Image, widest), State: long(wary.Line(bundle.StateOf(c))),
		Bad: c.OutOfMemory || c.Error != "" || c.Status == "exited" && c.ExitCode != 0,
	}
	if ran := bundle.Ran(c); ran > 0 {
		one.Ran = seconds(ran.Seconds())
	}
	return one
}

// legendOf explains the kinds of bars in use.
func legendOf(bars []bar) []legend {
	var list []legend
	for _, l := range []legend{
		{kindHook, "hook"},
		{kindPhase, "part of prepare"},
		{kindPull, "pull"},
		{kindHelper, "helper"},
		{kindScript, "script"},
		{kindFailed, "failed"},
		{kindNow, "running"},
		{kindBehind, "behind the job"},
	} {
		if slices.ContainsFunc(bars, func(b bar) bool { return b.Kind == l.Kind }) {
			list = append(list, l)
		}
	}
	return list
}
