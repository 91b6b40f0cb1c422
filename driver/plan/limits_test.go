package plan

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

func TestEveryContainerHasTheLimitsOfItsRole(t *testing.T) {
	s, job, facts := example()
	job.Project = "platform/app"
	job.Services = []Service{named("redis:7"), named("postgres:16")}
	s.Limits = config.Limits{
		Sidecar: config.Limit{CPUs: 1.5, Memory: 4 << 30}, Job: config.Limit{Memory: 64 << 20},
		Services: config.Limit{PIDs: 100}, Helper: config.Limit{CPUs: 0.1},
	}
	none, little, cpus := config.Size(0), config.Size(32<<20), 0.2
	s.Policies = []config.Policy{{
		Projects: []string{"platform/**"},
		Limits:   config.PolicyLimits{Job: config.PolicyLimit{Memory: &none}, Services: config.PolicyLimit{CPUs: &cpus, Memory: &little}},
	}}
	p, err := Build(s, job, facts)
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[Role]Limits{
		RoleSidecar: {NanoCPUs: 1_500_000_000, Memory: 4 << 30},
		RoleJob:     {}, // the policy lifts the limit
		RoleService: {NanoCPUs: 200_000_000, Memory: 32 << 20, PIDs: 100},
		RoleHelper:  {NanoCPUs: 100_000_000},
	} {
		found := false
		p.each(func(c *Container) {
			found = found || c.Role == role
			if c.Role == role && c.Limits != want {
				t.Errorf("the %s has %+v, want %+v", role, c.Limits, want)
			}
		})
		if !found {
			t.Errorf("there is no %s", role)
		}
	}
}

func TestARemedyIsAboutTheShortResources(t *testing.T) {
	least := Demand{Admission: config.Admission{MinFreeDisk: 2 << 30, MinFreeMemory: 512 << 20}}
	inMemory := least
	inMemory.InMemory = 256 << 20
	const disk, memory = "admission.min_free_disk", "admission.min_free_memory"
	for name, c := range map[string]struct {
		demand Demand
		free   Free
		keys   []string
	}{
		"disk":                        {least, Free{0, 1 << 30}, []string{disk}},
		"disk, with data in memory":   {inMemory, Free{0, 1 << 30}, []string{disk}},
		"disk, and memory is unknown": {least, Free{0, -1}, []string{disk}},
		"memory":                      {least, Free{10 << 30, 0}, []string{memory}},
		"memory, with data in memory": {inMemory, Free{10 << 30, 0}, []string{memory, "gvisor.size"}},
		"both":                        {least, Free{0, 0}, []string{disk, memory}},
	} {
		remedy := c.demand.Remedy(c.free)
		for _, key := range []string{disk, memory, "gvisor.size"} {
			if got, want := strings.Contains(remedy, key), slices.Contains(c.keys, key); got != want {
				t.Errorf("%s: that the remedy names %s is %t: %s", name, key, got, remedy)
			}
		}
	}
}

func TestWhatAHostLacks(t *testing.T) {
	least := config.Admission{MinFreeDisk: 2 << 30, MinFreeMemory: 512 << 20}
	for name, c := range map[string]struct {
		least config.Admission
		free  Free
		want  string
	}{
		"enough of both":        {least, Free{10 << 30, 1 << 30}, ""},
		"exactly enough":        {least, Free{2 << 30, 512 << 20}, ""},
		"too little disk":       {least, Free{1200 << 20, 1 << 30}, "1.172 GB of disk are free, 2 GB are wanted"},
		"a byte too little":     {least, Free{2<<30 - 1, 1 << 30}, "2 GB of disk are free, 2 GB are wanted"},
		"too little memory":     {least, Free{10 << 30, 100 << 20}, "100 MB of memory are free, 512 MB are wanted"},
		"too little of both":    {least, Free{0, 0}, "0 B of disk are free, 2 GB are wanted; 0 B of memory are free, 512 MB are wanted"},
		"what is not known":     {least, Free{-1, -1}, ""},
		"nothing that is asked": {config.Admission{}, Free{0, 0}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Lacks(c.least, c.free); got != c.want {
				t.Errorf("it lacks %q, want %q", got, c.want)
			}
		})
	}
}
