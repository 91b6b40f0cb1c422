package driver

import (
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// expecting returns an engine with the sandboxes of two jobs, and a driver that expects the
// first.
func expecting(t *testing.T) (*fakeengine.Engine, *Driver) {
	t.Helper()
	e, d := fakeHost(t, nil)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	sandboxOf(e, "other/1", "bbbbbbbbbbbb", "")
	for _, c := range e.Containers() {
		if strings.Contains(c.Name, "aaaa") {
			d.Expect(c.ID)
		}
	}
	if err := d.eng.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e, d
}

// runningIn returns the running containers of a sandbox.
func runningIn(t *testing.T, d *Driver, id string) (names []string) {
	t.Helper()
	found, err := d.eng.Ours(t.Context(), label.Sandbox+"="+id)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found[id].Containers {
		if c.Running {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestTheEndOfAnExpectedJobLooksAtNoOther(t *testing.T) {
	t.Parallel()
	e, d := expecting(t)
	ended, err := d.End(t.Context(), testJob)
	if err != nil || !ended.Sandboxes || len(e.Lists()) > 0 {
		t.Errorf("ended %+v (%v), by %q", ended, err, e.Lists())
	}
	if left := runningIn(t, d, "aaaaaaaaaaaa"); len(left) > 0 || !slices.Contains(e.Objects(), "volume dind-aaaaaaaaaaaa-ended") {
		t.Errorf("%q run on, of %q", left, e.Objects())
	}
	if others := runningIn(t, d, "bbbbbbbbbbbb"); len(others) != 3 {
		t.Errorf("of the other job only %q run", others)
	}
}

// If a sandbox is not as prepare has left it, its containers are still all stopped.
func TestTheEndOfAJobFindsWhatNobodyExpects(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fakeengine.Engine, *Driver){
		"its sidecar was made anew": func(e *fakeengine.Engine, d *Driver) {
			for _, c := range e.Containers() {
				if c.Name == "dind-aaaaaaaaaaaa-sidecar" {
					if err := d.eng.Remove(t.Context(), c.ID); err != nil {
						t.Error(err)
					}
					d.Expect(c.ID)
				}
			}
			e.AddContainer("dind-aaaaaaaaaaaa-sidecar", map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: "sidecar"}, true)
		},
		"its sidecar has ended, and another container has its address": func(e *fakeengine.Engine, d *Driver) {
			if err := d.eng.Kill(t.Context(), "dind-aaaaaaaaaaaa-sidecar", "KILL"); err != nil {
				t.Error(err)
			}
			e.AddContainer(label.SubstituteName("aaaaaaaaaaaa"), map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: "relay"}, true)
		},
		"another's container is expected": func(e *fakeengine.Engine, d *Driver) {
			e.AddContainer("dind-aaaaaaaaaaaa-service-0", map[string]string{label.Sandbox: "aaaaaaaaaaaa", label.Role: "service"}, true)
			for _, c := range e.Containers() {
				if c.Name == "dind-bbbbbbbbbbbb-helper" {
					d.Expect(c.ID)
				}
			}
		},
	} {
		e, d := expecting(t)
		change(e, d)
		ended, err := d.End(t.Context(), testJob)
		if err != nil || !ended.Sandboxes {
			t.Errorf("%s: ended %+v (%v)", name, ended, err)
		}
		if left := runningIn(t, d, "aaaaaaaaaaaa"); len(left) > 0 {
			t.Errorf("%s: %q run on", name, left)
		}
		if others := runningIn(t, d, "bbbbbbbbbbbb"); len(others) != 3 {
			t.Errorf("%s: of the other job only %q run", name, others)
		}
	}
}

func TestTheEndOfAnExpectedJobLeavesWhatIsHeld(t *testing.T) {
	t.Parallel()
	for _, mark := range []plan.Role{plan.RoleHeld, plan.RoleHeldBefore} {
		e, d := expecting(t)
		l := label.ForHeld("aaaaaaaaaaaa", testJob, noon.AddDate(100, 0, 0))
		l[label.Role] = string(mark)
		e.AddVolume(label.ObjectName("aaaaaaaaaaaa", mark), l)
		if _, err := d.End(t.Context(), testJob); err != nil {
			t.Fatal(err)
		}
		if left := runningIn(t, d, "aaaaaaaaaaaa"); len(left) != 3 {
			t.Errorf("marked as %s, %q run", mark, left)
		}
	}
}

// A job whose end was seen is not looked for when it begins again.
func TestAnEndIsRemembered(t *testing.T) {
	t.Parallel()
	e, d := expecting(t)
	begin := func() int {
		t.Helper()
		before := len(e.Lists())
		if err := d.BeginAnew(t.Context(), testJob); err != nil {
			t.Fatal(err)
		}
		return len(e.Lists()) - before
	}
	if begin() > 0 {
		t.Error("the first attempt looks for an earlier one")
	}
	if _, err := d.End(t.Context(), testJob); err != nil {
		t.Fatal(err)
	}
	if begin() > 0 {
		t.Error("the second attempt looks for the first, whose end was seen")
	}
	if begin() == 0 {
		t.Error("nobody looks for an attempt whose end was not seen")
	}
}
