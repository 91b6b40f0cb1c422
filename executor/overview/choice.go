package overview

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/fault"
)

// Page is how many sandboxes a person gets at once.
const Page = 40

// Choice is what of a status somebody wants to see.
type Choice struct {
	// Filters are KEY=PATTERN, where * stands for any text and - for none. Those of one
	// key add up, and those of different keys all hold.
	Filters []string
	// Sort is a key of Sorts; empty for what needs a person first.
	Sort string
	// Most is how many sandboxes a person gets; 0 for all.
	Most int
}

// fields are what a filter may look at.
var fields = map[string]func(looking.SandboxStatus) string{
	"state":   func(s looking.SandboxStatus) string { return string(s.State) },
	"project": func(s looking.SandboxStatus) string { return s.Project },
	"ref":     func(s looking.SandboxStatus) string { return s.Ref },
	"stage":   func(s looking.SandboxStatus) string { return s.Stage },
	"job":     func(s looking.SandboxStatus) string { return idOf(s.Job) },
	"sandbox": func(s looking.SandboxStatus) string { return s.Sandbox },
}

// orders are what a list may be sorted by. Where two are equal, the older comes first.
var orders = map[string]func(a, b looking.SandboxStatus) int{
	"age":    func(_, _ looking.SandboxStatus) int { return 0 },
	"left":   func(a, b looking.SandboxStatus) int { return cmp.Compare(timesOut(a), timesOut(b)) },
	"cpu":    func(a, b looking.SandboxStatus) int { return cmp.Compare(b.CPUs, a.CPUs) },
	"memory": func(a, b looking.SandboxStatus) int { return cmp.Compare(b.Memory, a.Memory) },
	"disk":   func(a, b looking.SandboxStatus) int { return cmp.Compare(b.Disk, a.Disk) },
	"state":  func(a, b looking.SandboxStatus) int { return cmp.Compare(urgency(a), urgency(b)) },
	"project": func(a, b looking.SandboxStatus) int {
		return strings.Compare(a.Project, b.Project)
	},
	"ref":   func(a, b looking.SandboxStatus) int { return strings.Compare(a.Ref, b.Ref) },
	"stage": func(a, b looking.SandboxStatus) int { return strings.Compare(a.Stage, b.Stage) },
}

// FilterKeys and Sorts are the words that Filters and Sort know.
func FilterKeys() []string { return slices.Sorted(maps.Keys(fields)) }

// Sorts are the keys that a list may be sorted by.
func Sorts() []string { return slices.Sorted(maps.Keys(orders)) }

// Check tells what of a choice nobody can follow.
func (c Choice) Check() error {
	if c.Sort != "" && orders[c.Sort] == nil {
		return fault.System(fmt.Errorf("there is no order %q", c.Sort), "--sort takes one of "+strings.Join(Sorts(), ", "))
	}
	if c.Most < 0 {
		return fault.System(fmt.Errorf("%d sandboxes cannot be shown", c.Most), "--limit 0 shows all of them")
	}
	for _, f := range c.Filters {
		key, pattern, ok := strings.Cut(f, "=")
		if !ok || fields[key] == nil {
			return fault.System(fmt.Errorf("%q is no filter", f), "write KEY=PATTERN; keys are "+strings.Join(FilterKeys(), ", "))
		}
		if key == "state" && !slices.ContainsFunc(looking.States, func(s looking.State) bool { return fits(pattern, string(s)) }) {
			return fault.System(fmt.Errorf("no sandbox is ever in a state %q", pattern), "states are "+strings.Join(words(looking.States), ", "))
		}
	}
	return nil
}

func words(states []looking.State) []string {
	var list []string
	for _, s := range states {
		list = append(list, string(s))
	}
	return list
}

// Of are the sandboxes that the filters leave, in the order that is asked for. Without
// one they stay as they are.
func (c Choice) Of(all []looking.SandboxStatus) []looking.SandboxStatus {
	wanted := map[string][]string{}
	for _, f := range c.Filters {
		key, pattern, _ := strings.Cut(f, "=")
		wanted[key] = append(wanted[key], pattern)
	}
	list := []looking.SandboxStatus{}
	for _, s := range all {
		holds := true
		for key, patterns := range wanted {
			value := fields[key](s)
			holds = holds && slices.ContainsFunc(patterns, func(p string) bool { return fits(p, value) })
		}
		if holds {
			list = append(list, s)
		}
	}
	if order := orders[c.Sort]; order != nil {
		slices.SortStableFunc(list, func(a, b looking.SandboxStatus) int {
			return cmp.Or(order(a, b), a.Created.Compare(b.Created))
		})
	}
	return list
}

// fits tells whether a text is as a pattern says, in which * stands for any text.
func fits(pattern, text string) bool {
	if pattern == "-" {
		return text == ""
	}
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return text == pattern
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) || len(text) < len(first)+len(last) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = rest
	}
	return true
}

// urgency is below for what a person should see first.
func urgency(s looking.SandboxStatus) int {
	if s.DaemonEnded && s.State == looking.Running {
		return 0
	}
	return 1 + slices.Index(looking.States, s.State)
}

// timesOut is when a job's time is over; the end of time where that is not known.
func timesOut(s looking.SandboxStatus) int64 {
	if !hasTime(s) {
		return math.MaxInt64
	}
	return s.TimesOut.Unix()
}

// hasTime tells whether a job still uses the time that it has.
func hasTime(s looking.SandboxStatus) bool {
	return s.TimesOut != nil && slices.Contains([]looking.State{looking.Making, looking.Booting, looking.Running}, s.State)
}

// left is what a job has of its time, in a word.
func left(s looking.SandboxStatus, now time.Time) string {
	switch {
	case !hasTime(s):
		return "-"
	case s.TimesOut.Before(now):
		return "over"
	}
	return Age(s.TimesOut.Sub(now))
}

// idOf is the id in a job's key; empty where there is none.
func idOf(job string) string {
	if job == "" {
		return ""
	}
	return path.Base(job)
}
