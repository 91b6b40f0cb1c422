package driver

import (
	"fmt"
	"testing"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

func TestServicesThatHaveEnded(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	sandboxes(t, e, 2)
	add := func(sandbox int, name string, running bool) {
		e.AddContainer(name, label.InSandbox(fmt.Sprintf("%012x", sandbox), plan.RoleService), running)
	}
	add(1, "lost", true)
	add(1, "done", true)
	add(1, "stays", true)
	add(1, "never-started", false)
	add(2, "another-jobs", true)
	e.Exit("lost", 3)
	e.Exit("done", 0)
	e.Exit("another-jobs", 5)
	ended := d.EndedServices(t.Context(), "gitlab.example.com/100")
	codes := map[int]int{}
	for _, s := range ended {
		codes[s.Code]++
	}
	if len(ended) != 2 || codes[3] != 1 || codes[0] != 1 {
		t.Errorf("%+v", ended)
	}
	if ended := d.EndedServices(t.Context(), "gitlab.example.com/7"); len(ended) != 0 {
		t.Errorf("a job that is not there has %+v", ended)
	}
}
