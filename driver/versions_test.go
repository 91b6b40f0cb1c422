package driver

import (
	"slices"
	"testing"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
)

// Hooks of two versions meet in a job if the program is upgraded meanwhile. Sandboxes,
// caches and layers outlive versions, too. So the meaning of a label never changes: a new
// meaning takes a new label.
func TestLabelsAreWhatOtherVersionsReadAndWrite(t *testing.T) {
	got := []string{
		label.Sandbox, label.Role, label.Created, label.MadeBy, label.Spec, label.Job, label.Owner, label.Deadline, label.Scope,
		label.Direct, label.Booting, label.Project, label.Protected, label.Layers, label.Of, label.Mirror, label.Remote,
		label.Instance, label.Data, label.URL, label.Ref, label.Stage, label.TimesOut,
	}
	var want []string
	for _, name := range []string{
		"sandbox", "role", "created", "version", "spec", "job", "owner", "deadline", "scope",
		"direct", "booting", "project", "protected", "layers", "of", "mirror", "remote",
		"instance", "data", "url", "ref", "stage", "times-out",
	} {
		want = append(want, "gitlab-dind-executor."+name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the labels are %q, other versions know %q", got, want)
	}
	for what, names := range map[string][2]string{
		"a network":       {label.NetworkName("0123456789ab"), "dind-0123456789ab"},
		"a job container": {label.ObjectName("0123456789ab", "job"), "dind-0123456789ab-job"},
		"a cache":         {label.CacheName("scope"), "dind-cache-5f161c9149882e0e10124bc5dd5c11f0fbe8ec452edd52bcec76b01e9252cb33"},
		"layers":          {label.DataName("scope", "kind", 1), "dind-data-4fa5ef6e560b28ead9e7c03c5303e29624ac29a041484e7310d83c23d7012f56-1"},
		"a lease":         {label.LeaseName(label.DataName("scope", "kind", 1)), "dind-e75w5r2wt3b3yzgqnhwkmt2dpm6ykl3v2qzja5qi-sidecar"},
	} {
		if names[0] != names[1] {
			t.Errorf("%s is called %s, other versions know %s", what, names[0], names[1])
		}
	}
}

// The config hook hands the owner on to hooks that may be of a newer version.
func TestAnOwnerThatAnotherVersionWrote(t *testing.T) {
	const written = `{"machine":"m","host":"h","pidns":"4026531836","boot":"b","pid":7,"start":9}`
	want := owner.Process{Machine: "m", Host: "h", PIDNamespace: "4026531836", Boot: "b", PID: 7, Start: 9}
	if got, err := owner.Parse(written); err != nil || got != want || want.String() != written {
		t.Errorf("it was read as %v (%v), and is written %s", got, err, want)
	}
	// Additions of a later version are ignored.
	if got, err := owner.Parse(`{"later":1,` + written[1:]); err != nil || got != want {
		t.Errorf("with more in it, it was read as %v: %v", got, err)
	}
}
