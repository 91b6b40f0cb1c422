package driver

import (
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

func TestWhereThisProcessRuns(t *testing.T) {
	t.Parallel()
	const table = "proc/self/mountinfo"
	mounted := func(id string) map[string]string {
		return map[string]string{table: "600 500 8:1 /var/lib/docker/containers/" + id + "/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"}
	}
	for name, c := range map[string]struct {
		files func(e *fakeengine.Engine) map[string]string
		want  Place
	}{
		"on the engine's host": {
			func(*fakeengine.Engine) map[string]string {
				return map[string]string{table: "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"}
			},
			Place{Network: true, Processes: true, Data: true},
		},
		"in a container": {
			func(e *fakeengine.Engine) map[string]string { return mounted(e.Container("runner").ID) },
			Place{Contained: true, Container: "runner"},
		},
		"in a container that sees the data root": {
			func(e *fakeengine.Engine) map[string]string {
				files := mounted(e.Container("runner").ID)
				files["data/engine-id"] = ""
				return files
			},
			Place{Contained: true, Container: "runner", Data: true},
		},
		"in a container of another engine": {
			func(*fakeengine.Engine) map[string]string {
				return mounted("00000000000000000000000000000000000000000000000000000000000000ff")
			},
			Place{Contained: true},
		},
	} {
		e, d := hereHost(t, nil)
		e.AddContainer("runner", nil, true)
		d.root = hostWith(t, c.files(e))
		got, err := d.Place(t.Context(), "/data")
		if err != nil || got != c.want {
			t.Errorf("%s: %+v (%v), not %+v", name, got, err, c.want)
		}
	}
	_, far := fakeHost(t, nil)
	if got, err := far.Place(t.Context(), "/data"); err != nil || got != (Place{Remote: true}) {
		t.Errorf("with an engine elsewhere: %+v (%v)", got, err)
	}
}
