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

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/fault"
)

// Page is the default number of sandboxes in a list for people.
const Page = 40

// Choice selects and orders the sandboxes of a status.
type Choice struct {
	// Filters are KEY=PATTERN, where * stands for any text and - for none. Patterns of the
	// same key are alternatives, and all keys must match.
	Filters []string
	// Sort is a key of Sorts; empty puts first the sandboxes that need a person.
	Sort string
	// Most bounds the list for people; 0 means all.
	Most int
}

// fields are the keys for filters.
var fields = map[string]func(looking.SandboxStatus) string{
	"state":   func(s looking.SandboxStatus) string { return string(s.State) },
	"project": func(s looking.SandboxStatus) string { return s.Project },
	"ref":     func(s looking.SandboxStatus) string { return s.Ref },
	"stage":   func(s looking.SandboxStatus) string { return s.Stage },
	"job":     func(s looking.SandboxStatus) string { return idOf(s.Job) },
	"sandbox": func(s looking.SandboxStatus) string { return s.Sandbox },
}

// orders are the keys for sorting. Of equal sandboxes the older comes first.
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

// FilterKeys returns the keys for Filters.
func FilterKeys() []string { return slices.Sorted(maps.Keys(fields)) }

// Sorts returns the keys for Sort.
func Sorts() []string { return slices.Sorted(maps.Keys(orders)) }

// Check reports an invalid choice.
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

// Of returns the sandboxes that match the filters, in the chosen order. Without an order
// they stay as they are.
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

// fits tells whether a text matches a pattern, in which * stands for any text.
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

// urgency is smaller for sandboxes that a person should see first.
func urgency(s looking.SandboxStatus) int {
	if s.DaemonEnded && s.State == looking.Running {
		return 0
	}
	return 1 + slices.Index(looking.States, s.State)
}

// timesOut returns the time of a job's timeout, in seconds since 1970, or the largest
// number if unknown.
func timesOut(s looking.SandboxStatus) int64 {
	if !hasTime(s) {
		return math.MaxInt64
	}
	return s.TimesOut.Unix()
}

// hasTime tells whether a job still uses its time.
func hasTime(s looking.SandboxStatus) bool {
	return s.TimesOut != nil && slices.Contains([]looking.State{looking.Making, looking.Booting, looking.Running}, s.State)
}

// left returns the rest of a job's time in words.
func left(s looking.SandboxStatus, now time.Time) string {
	switch {
	case !hasTime(s):
		return "-"
	case s.TimesOut.Before(now):
		return "over"
	}
	return config.Age(s.TimesOut.Sub(now))
}

// idOf returns the id in a job's key; empty without a job.
func idOf(job string) string {
	if job == "" {
		return ""
	}
	return path.Base(job)
}
