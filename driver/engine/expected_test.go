package engine

import (
	"slices"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// Expected containers are found without a look at others.
func TestExpectedContainersAreAskedForByID(t *testing.T) {
	e := fakeengine.New(t)
	eng, err := Open(e.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	if err := eng.Greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(labels ...string) (names []string) {
		t.Helper()
		list, err := eng.Expected(t.Context(), labels...)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		return names
	}
	ids := map[string]string{}
	for name, job := range map[string]string{"a": "1", "b": "1", "c": "2"} {
		e.AddContainer(name, map[string]string{"gitlab-dind-executor.job": job}, true)
	}
	for _, c := range e.Containers() {
		ids[c.Name] = c.ID
	}
	if got := ask(); got != nil || e.Count("GET /containers/json") > 0 {
		t.Errorf("nothing is expected, and there are %q", got)
	}
	eng.Expect(ids["a"], ids["c"])
	if got := ask(); !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("expected are %q", got)
	}
	if got := ask("gitlab-dind-executor.job=1"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("of the job are %q", got)
	}
	if err := eng.Remove(t.Context(), ids["a"]); err != nil {
		t.Fatal(err)
	}
	if got := eng.ExpectedIDs(); !slices.Equal(got, []string{ids["c"]}) {
		t.Errorf("after a removal %q are expected", got)
	}
	if lists := e.Lists(); len(lists) > 0 {
		t.Errorf("the engine looked through all for %q", lists)
	}
}
