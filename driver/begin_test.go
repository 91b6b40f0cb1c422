package driver

import (
	"net/http"
	"slices"
	"testing"

	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/test/fakeengine"
)

// A job that has not begun has left nothing, and the engine is not asked.
func TestAJobThatBeginsForTheFirstTimeIsNotLookedFor(t *testing.T) {
	e, d := fakeHost(t, nil)
	d.locks = &host.Locks{Dirs: []string{t.TempDir()}}
	begin := func() []string {
		t.Helper()
		before := len(e.Lists())
		if err := d.BeginAnew(t.Context(), "gitlab.example.com/7"); err != nil {
			t.Fatal(err)
		}
		return e.Lists()[before:]
	}
	if lists := begin(); len(lists) > 0 {
		t.Errorf("the first attempt lets the engine list %q", lists)
	}
	if lists := begin(); len(lists) == 0 {
		t.Error("nobody looks for what the first attempt has left")
	}
	d.locks = &host.Locks{Dirs: []string{"/proc/gitlab-dind-executor"}}
	if lists := begin(); len(lists) == 0 {
		t.Error("where nothing can be remembered nobody looks")
	}
	e.Script("GET /containers/json", fakeengine.Refuse(http.StatusInternalServerError, "the engine is in a bad way"))
	if err := d.BeginAnew(t.Context(), "gitlab.example.com/7"); err == nil {
		t.Error("a look that fails is none, and the job goes on")
	}
	if slices.Contains(e.Calls(), "POST /containers/create") {
		t.Error("something was made")
	}
}
