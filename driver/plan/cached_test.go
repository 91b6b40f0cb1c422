package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
)

func TestWhatAnEarlierVersionCachedGoesAtOnce(t *testing.T) {
	s := config.Default()
	s.Cache.MaxAge, s.Cache.MaxSize = 0, 0
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	got := Evictions(s, []Cached{{Name: "old", Old: true, Idle: true, Used: now}, {Name: "in use", Old: true, Used: now}, {Name: "new", Idle: true, Used: now}}, now)
	if len(got) != 1 || got[0].Name != "old" || got[0].Reason != "of an earlier version of this program" {
		t.Errorf("%+v go", got)
	}
}

func TestTheBoundsOfAPolicyHoldForWhatItsJobsLeft(t *testing.T) {
	yes := true
	s := config.Default()
	age := config.Duration(time.Hour)
	s.Cache.MaxAge, s.Cache.MaxSize = 0, 0
	s.Policies = []config.Policy{{Instances: []string{"gitlab.example.com"}, Protected: &yes, Cache: config.PolicyCache{MaxAge: &age}}}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	here := []string{"gitlab.example.com", "id"}
	used := now.Add(-2 * time.Hour)
	var names []string
	for _, e := range Evictions(s, []Cached{
		{Name: "its", Instances: here, Protection: Protected, Idle: true, Used: used},
		{Name: "unprotected", Instances: here, Protection: Unprotected, Idle: true, Used: used},
		{Name: "not known", Instances: here, Idle: true, Used: used},
		{Name: "of another instance", Instances: []string{"other"}, Protection: Protected, Idle: true, Used: used},
	}, now) {
		names = append(names, e.Name)
	}
	if !slices.Equal(names, []string{"its"}) {
		t.Errorf("%q go", names)
	}
}

func TestWhatIsCachedGoesOldestFirst(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	// of returns a volume that was unused for some hours, with a size in bytes.
	of := func(name string, hours int, size int64) Cached {
		return Cached{Name: name, Project: "group/" + name, Used: now.Add(-time.Duration(hours) * time.Hour), Size: size, Idle: true}
	}
	busy := func(k Cached) Cached {
		k.Idle = false
		return k
	}
	size := func(n config.Size) *config.Size { return &n }
	age := func(d time.Duration) *config.Duration { return (*config.Duration)(&d) }
	big := config.Policy{Projects: []string{"group/big*"}}
	for name, c := range map[string]struct {
		age    time.Duration
		size   config.Size
		policy config.PolicyCache
		cached []Cached
		want   []string
	}{
		"nothing is bounded":             {cached: []Cached{of("a", 10000, 1<<60)}},
		"by age":                         {age: 9 * time.Hour, cached: []Cached{of("a", 8, 1), of("b", 10, 1), of("c", 9, 1)}, want: []string{"b"}},
		"by size":                        {size: 10, cached: []Cached{of("a", 1, 5), of("b", 3, 5), of("c", 2, 5)}, want: []string{"b"}},
		"by size, just enough":           {size: 10, cached: []Cached{of("a", 1, 5), of("b", 3, 5)}},
		"by both":                        {age: 9 * time.Hour, size: 10, cached: []Cached{of("a", 1, 5), of("b", 10, 1), of("c", 3, 1), of("d", 2, 5)}, want: []string{"b", "c"}},
		"one alone that is too big":      {size: 10, cached: []Cached{of("a", 1, 11)}, want: []string{"a"}},
		"what is used stays and counts":  {size: 10, cached: []Cached{busy(of("a", 9, 8)), of("b", 1, 5)}, want: []string{"b"}},
		"what is empty frees nothing":    {size: 10, cached: []Cached{of("a", 9, 0), of("b", 1, 11)}, want: []string{"b"}},
		"a size that is not known":       {size: 10, cached: []Cached{of("a", 9, -1), of("b", 1, 8)}},
		"a clock that was wrong":         {age: time.Hour, size: 10, cached: []Cached{of("a", -99, 6), of("b", 0, 6)}, want: []string{"a"}},
		"a policy's own age":             {age: 9 * time.Hour, policy: config.PolicyCache{MaxAge: age(time.Hour)}, cached: []Cached{of("a", 3, 1), of("big", 2, 1)}, want: []string{"big"}},
		"a policy that lifts the age":    {age: 9 * time.Hour, policy: config.PolicyCache{MaxAge: age(0)}, cached: []Cached{of("a", 10, 1), of("big", 10, 1)}, want: []string{"a"}},
		"a policy's own size":            {size: 100, policy: config.PolicyCache{MaxSize: size(10)}, cached: []Cached{of("a", 9, 50), of("big1", 1, 6), of("big2", 2, 6)}, want: []string{"big2"}},
		"a policy's size is within that": {size: 10, policy: config.PolicyCache{MaxSize: size(100)}, cached: []Cached{of("a", 9, 5), of("big1", 1, 6)}, want: []string{"a"}},
	} {
		s := config.Default()
		s.Cache.MaxAge, s.Cache.MaxSize = config.Duration(c.age), c.size
		big.Cache = c.policy
		s.Policies = []config.Policy{big}
		var got []string
		for _, e := range Evictions(s, c.cached, now) {
			got = append(got, e.Name)
			if e.Reason == "" || strings.ToLower(e.Reason[:1]) != e.Reason[:1] {
				t.Errorf("%s: reason %q", name, e.Reason)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q go, want %q", name, got, c.want)
		}
	}
}
