package main

import (
	"fmt"

	"gitlab-dind-executor/fault"
)

// floor is a bound that rows of a single run must keep. The bound is for the ratio of over to
// under. Where under is "" it is for over alone, with times in seconds.
type floor struct {
	name, over, under string
	// bound must be reached, or not passed where most is set. goal is the aim; 0 is none.
	bound, goal float64
	most        bool
	// part says which number of each row counts.
	part part
}

// part is a number that stands for a row's samples.
type part int

const (
	ofMedians part = iota
	// ofTails is the 95th percentile, ofWorst the largest sample.
	ofTails
	ofWorst
)

func (p part) of(r row) float64 {
	switch p {
	case ofTails:
		return r.P95
	case ofWorst:
		return r.Max
	}
	return r.Median
}

var floors = []floor{
	{name: "to the first line, cold: docker executor / ours", over: "A+", under: "C+", bound: 3, goal: 4.5},
	{name: "to the first line, in a bare sandbox: docker executor / ours", over: "A+", under: "N+", bound: 3.5, goal: 6},
	{name: "to the first line, warm: docker executor / ours", over: "A+", under: "W+", bound: 6, goal: 10},
	{name: "to the first line, warm: ours / docker run of the job's image", over: "W+", under: "D", bound: 2.25, goal: 1.4, most: true},
	{name: "trivial job as a whole, cold: docker executor / ours", over: "A+w", under: "C+w", bound: 2.5},
	{name: "trivial job as a whole, warm: docker executor / ours", over: "A+w", under: "W+w", bound: 3.5},
	{name: "without sources, cold: docker:dind with TLS / ours", over: "A", under: "C", bound: 2},
	{name: "without sources, cold: docker:dind, --tls=false / ours", over: "B", under: "C", bound: 1},
	{name: "unchanged rebuild, whole job: docker executor / layers cached", over: "RX", under: "RL", bound: 4, goal: 6},
	{name: "unchanged rebuild, whole job: empty daemon / layers cached", over: "R", under: "RL", bound: 4},
	{name: "what a job waits for at its end, in seconds", over: "K", bound: 0.3, goal: 0.1, most: true},
	{name: "8 at once, to the first line: docker executor / ours", over: "X8", under: "P8", bound: 2, goal: 5},
	{name: "8 at once, CPU of the machine: ours / docker executor", over: "P8c", under: "X8c", bound: 0.7, goal: 0.25, most: true},
	{name: "jobs that failed, 8 at once", over: failedJobs, bound: 0, most: true, part: ofWorst},
	{name: "back to back, p50 of the first line: pool.size = 1 / no pool", over: "BP1", under: "BN", bound: 1.2, goal: 1, most: true},
	{name: "back to back, p95 of the first line: pool.size = 1 / no pool", over: "BP1", under: "BN", bound: 1.5, goal: 1, most: true, part: ofTails},
	{name: "claim: 32 waiting / 1 waiting", over: "Q32", under: "Q1", bound: 1.75, most: true},
	{name: "prepare: beside many sandboxes / alone", over: crowdPrepare, under: alonePrepare, bound: 1.5, goal: 1.2, most: true},
	{name: "cleanup: beside many sandboxes / alone", over: crowdCleanup, under: aloneCleanup, bound: 1.5, goal: 1.2, most: true},
}

// judged is a floor with its measured value.
type judged struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bound float64 `json:"bound"`
	Most  bool    `json:"at_most"`
	Goal  float64 `json:"goal,omitempty"`
	Met   bool    `json:"met"`
}

// judge leaves out floors with a row that was not measured.
func judge(rows map[string]row) []judged {
	var all []judged
	for _, f := range floors {
		over, measured := rows[f.over]
		value := f.part.of(over)
		switch under, has := rows[f.under]; {
		case f.under != "":
			measured = measured && has
			value /= f.part.of(under)
		case over.Unit == "ms":
			value /= 1000
		}
		if !measured {
			continue
		}
		j := judged{Name: f.name, Value: value, Bound: f.bound, Most: f.most, Goal: f.goal}
		j.Met = j.within(f.bound)
		all = append(all, j)
	}
	return all
}

// within tells whether the value keeps a bound. NaN keeps none.
func (j judged) within(bound float64) bool {
	return j.Most && j.Value <= bound || !j.Most && j.Value >= bound
}

// verdict compares the value with floor and goal, in words.
func (j judged) verdict() string {
	switch {
	case !j.Met:
		return "MISSED"
	case j.Goal == 0:
		return "met"
	case j.within(j.Goal):
		return "met, and the goal"
	}
	return "met, not the goal"
}

// word is a bound in words.
func (j judged) word(bound float64) string {
	if j.Most {
		return fmt.Sprintf("at most %g", bound)
	}
	return fmt.Sprintf("at least %g", bound)
}

// bounds is a floor's bound and goal in words.
func (j judged) bounds() string {
	text := j.word(j.Bound)
	if j.Goal > 0 {
		text += fmt.Sprintf(", goal %g", j.Goal)
	}
	return text
}

// verdict returns an error that names the first missed floor, or nil.
func (r report) verdict() error {
	for _, j := range r.Floors {
		if !j.Met {
			return fault.System(fmt.Errorf("%s is %.2f, which must be %s", j.Name, j.Value, j.bounds()),
				"if the spread is large the machine was busy: run it again; else see which phase grew with make demo")
		}
	}
	return nil
}
