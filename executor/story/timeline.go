package story

import (
	"fmt"
	"math"
	"time"

	"gitlab-dind-executor/executor/telemetry"
)

// mostBars bounds the bars of a page. A job with three attempts has some fifty.
const mostBars = 80

// bar is a line of the timeline. Left and Width are percents of the whole time.
type bar struct {
	Name, Clock, Took, Remark string
	// Kind is a class of the page's styles.
	Kind        string
	Left, Width float64
	// Part tells whether the bar is a part of the bar above.
	Part bool
}

// tick is a mark on the axis. Odd marks are left out where there is little room.
type tick struct {
	Left float64
	Text string
	Odd  bool
}

// timeline is the time of a job, from its first call to the end of the last.
type timeline struct {
	Bars  []bar
	Ticks []tick
	// More is the number of calls left out.
	More        int
	begin, end  time.Time
	jobHasEnded time.Time
}

// The kinds of bars.
const (
	kindHook   = "hook"
	kindHelper = "helper"
	kindScript = "script"
	kindBehind = "behind"
	kindPhase  = "phase"
	kindPull   = "pull"
	kindFailed = "failed"
	kindNow    = "now"
)

// phases are the parts of a prepare in the order in which they follow each other.
var phases = []struct{ name, text string }{
	{"engine", "the engine answers"}, {"plan", "looks and plans"}, {"room", "waits for room"}, {"sandbox", "makes the sandbox"},
}

// smallPhase is the shortest phase with a bar, in seconds.
const smallPhase = 0.05

// timelineOf draws the calls of a job. running is the time when the job still went on, or
// the zero time for a job that has ended.
func timelineOf(history []telemetry.Record, running time.Time) timeline {
	var t timeline
	if len(history) == 0 {
		return t
	}
	t.begin = history[0].Began()
	for _, r := range history {
		if r.Time.After(t.end) {
			t.end = r.Time
		}
		if !isBehind(r) && r.Time.After(t.jobHasEnded) {
			t.jobHasEnded = r.Time
		}
	}
	last := t.jobHasEnded
	if running.After(t.end) {
		t.end, t.jobHasEnded = running, running
	}
	for i, r := range history {
		if len(t.Bars) >= mostBars {
			t.More = len(history) - i
			break
		}
		t.Bars = append(t.Bars, t.bar(r))
		if r.Hook == "prepare" {
			t.Bars = append(t.Bars, t.partsOf(r)...)
		}
	}
	if !running.IsZero() && running.Sub(last) > 0 {
		now := t.place(last, running)
		now.Name, now.Kind, now.Clock, now.Took = "what runs now", kindNow, clock(last), seconds(running.Sub(last).Seconds())
		now.Remark = "the log has a line once it has ended"
		t.Bars = append(t.Bars, now)
	}
	t.Ticks = ticksOf(t.end.Sub(t.begin))
	return t
}

// bar returns the bar of a call.
func (t timeline) bar(r telemetry.Record) bar {
	b := t.place(r.Began(), r.Time)
	b.Name, b.Clock, b.Took, b.Remark = short(nameOf(r), 40), clock(r.Began()), seconds(r.Seconds), long(remark(r, false))
	switch {
	case r.Result == telemetry.Failed:
		b.Kind = kindFailed
	case isBehind(r):
		b.Kind = kindBehind
	case isScript(r.Stage):
		b.Kind = kindScript
	case r.Stage != "":
		b.Kind = kindHelper
	default:
		b.Kind = kindHook
	}
	return b
}

// partsOf returns the phases of a prepare, and its fetched images.
func (t timeline) partsOf(r telemetry.Record) []bar {
	var list []bar
	from := r.Began()
	for _, p := range phases {
		took := r.Phases[p.name]
		to := from.Add(inSeconds(took))
		if took >= smallPhase {
			b := t.place(from, to)
			b.Name, b.Took, b.Kind, b.Part = p.text, seconds(took), kindPhase, true
			list = append(list, b)
		}
		from = to
	}
	for _, p := range r.Images {
		begin := r.Began().Add(inSeconds(p.After))
		b := t.place(begin, begin.Add(inSeconds(p.Seconds)))
		b.Name, b.Took, b.Kind, b.Part = "pulls "+short(p.Image, 24), seconds(p.Seconds), kindPull, true
		if p.Failed {
			b.Kind, b.Remark = kindFailed, "failed"
		}
		list = append(list, b)
	}
	return list
}

// place returns the bar of a span of time, without texts.
func (t timeline) place(from, to time.Time) bar {
	whole := t.end.Sub(t.begin).Seconds()
	if whole <= 0 {
		return bar{Width: 100}
	}
	left := percent(from.Sub(t.begin).Seconds() / whole)
	return bar{Left: left, Width: percent(to.Sub(t.begin).Seconds()/whole) - left}
}

// percent converts a share to a number from 0 to 100, with two decimals.
func percent(share float64) float64 {
	return math.Round(min(1, max(0, share))*10000) / 100
}

func inSeconds(s float64) time.Duration { return time.Duration(max(0, s) * float64(time.Second)) }

func clock(t time.Time) string { return t.UTC().Format(time.TimeOnly) }

// isScript tells the stages that run in the job's own container.
func isScript(stage string) bool {
	return stage == "build_script" || stage == "after_script" || len(stage) > 5 && stage[:5] == "step_"
}

// mostTicks bounds the marks of an axis.
const mostTicks = 7

// steps are the possible distances of two marks, in seconds.
var steps = []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400}

// ticksOf returns the marks of an axis of a length.
func ticksOf(whole time.Duration) []tick {
	length := whole.Seconds()
	step := steps[len(steps)-1]
	for _, s := range steps {
		if length/s <= mostTicks {
			step = s
			break
		}
	}
	var list []tick
	for i := range mostTicks * 8 {
		at := float64(i) * step
		if length <= 0 || at > length*0.97 {
			break
		}
		list = append(list, tick{percent(at / length), tickText(at), i%2 == 1})
	}
	return list
}

func tickText(s float64) string {
	switch {
	case s == 0:
		return "0"
	case s < 1:
		return fmt.Sprintf("%.1f s", s)
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 7200:
		return fmt.Sprintf("%.0f min", s/60)
	}
	return fmt.Sprintf("%.0f h", s/3600)
}
