package main

import (
	"fmt"

	"gitlab-dind-executor/fault"
)

// floor is what must hold of medians measured in one run: a ratio of the rows
// over and under, or the largest sample of over alone where under is "".
type floor struct {
	name, over, under string
	// bound must be reached, or not passed where most is set. goal is what is
	// aimed for; 0 is none.
	bound, goal float64
	most        bool
}

var floors = []floor{
	{name: "to the first line, cold: docker:dind with TLS / ours", over: "A+", under: "C+", bound: 2.5, goal: 3},
	{name: "to the first line, warm: docker:dind with TLS / ours", over: "A+", under: "W+", bound: 6, goal: 8},
	{name: "to the first line, warm: ours / docker run of the job's image", over: "W+", under: "D", bound: 2, goal: 1.5, most: true},
	{name: "without sources, cold: docker:dind with TLS / ours", over: "A", under: "C", bound: 2},
	{name: "without sources, cold: docker:dind, --tls=false / ours", over: "B", under: "C", bound: 1},
	{name: "unchanged rebuild, whole job: empty daemon / layers cached", over: "R", under: "RL", bound: 4, goal: 6},
	{name: "claim: 32 waiting / 1 waiting", over: "Q32", under: "Q1", bound: 1.5, most: true},
	{name: "jobs that failed, 8 at once", over: failedJobs, bound: 0, most: true},
}

// judged is a floor with what was measured.
type judged struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bound float64 `json:"bound"`
	Most  bool    `json:"at_most"`
	Goal  float64 `json:"goal,omitempty"`
	Met   bool    `json:"met"`
}

// judge leaves out the floors of which something was not measured.
func judge(rows map[string]row) []judged {
	var all []judged
	for _, f := range floors {
		over, measured := rows[f.over]
		value := over.Max
		if f.under != "" && measured {
			var under row
			under, measured = rows[f.under]
			value = over.Median / under.Median
		}
		if !measured {
			continue
		}
		j := judged{Name: f.name, Value: value, Bound: f.bound, Most: f.most, Goal: f.goal}
		// So that no number meets no floor.
		j.Met = f.most && value <= f.bound || !f.most && value >= f.bound
		all = append(all, j)
	}
	return all
}

// bounds says what a floor wants, in words.
func (j judged) bounds() string {
	word := "at least"
	if j.Most {
		word = "at most"
	}
	text := fmt.Sprintf("%s %g", word, j.Bound)
	if j.Goal > 0 {
		text += fmt.Sprintf(", goal %g", j.Goal)
	}
	return text
}

// verdict is an error when a floor is missed; it names the first.
func (r report) verdict() error {
	for _, j := range r.Floors {
		if !j.Met {
			return fault.System(fmt.Errorf("%s is %.2f, which must be %s", j.Name, j.Value, j.bounds()),
				"if the spread is large the machine was busy: run it again; else see which phase grew with make demo")
		}
	}
	return nil
}
