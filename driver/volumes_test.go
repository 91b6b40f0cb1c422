package driver

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/volume"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

func TestAVolumeUnderOurNameIsOursByItsLabelsAlone(t *testing.T) {
	mine := keptLabels(plan.Claim{Scope: "gitlab/1/protected", Project: "g/a"}, plan.RoleData)
	with := func(change ...string) map[string]string {
		l := maps.Clone(mine)
		for i := 0; i < len(change); i += 2 {
			l[change[i]] = change[i+1]
		}
		return l
	}
	without := func(key string) map[string]string {
		l := maps.Clone(mine)
		delete(l, key)
		return l
	}
	for name, c := range map[string]struct {
		v    volume.Volume
		ours bool
	}{
		"ours":                              {volume.Volume{Driver: "local", Labels: mine}, true},
		"ours of another version and day":   {volume.Volume{Driver: "local", Labels: with(labelVersion, "0.1", labelCreated, "x")}, true},
		"ours of before a project's rename": {volume.Volume{Driver: "local", Labels: with(labelProject, "g/b")}, true},
		"another scope's":                   {volume.Volume{Driver: "local", Labels: with(labelScope, "gitlab/2/protected")}, false},
		"without a scope":                   {volume.Volume{Driver: "local", Labels: without(labelScope)}, false},
		"of another role":                   {volume.Volume{Driver: "local", Labels: with(labelRole, "cache")}, false},
		"without a role":                    {volume.Volume{Driver: "local", Labels: without(labelRole)}, false},
		"a sandbox's":                       {volume.Volume{Driver: "local", Labels: with(labelSandbox, "0123456789ab")}, false},
		"a mark":                            {volume.Volume{Driver: "local", Labels: with(labelOf, "x")}, false},
		"a mirror's":                        {volume.Volume{Driver: "local", Labels: with(labelRemote, "x")}, false},
		"a seed's":                          {volume.Volume{Driver: "local", Labels: with(labelSeed, "x")}, false},
		"without labels":                    {volume.Volume{Driver: "local"}, false},
		"of another driver":                 {volume.Volume{Driver: "nfs", Labels: mine}, false},
		"a directory of the host": {volume.Volume{
			Driver: "local", Labels: mine, Options: map[string]string{"type": "none", "o": "bind", "device": "/etc"},
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if why := foreign(c.v, mine); (why == "") != c.ours {
				t.Errorf("why not: %q", why)
			}
		})
	}
}

func TestAVolumeThatSomebodyElsePutThereIsNotTaken(t *testing.T) {
	e, d := fakeHost(t, nil)
	l := keptLabels(plan.Claim{Scope: "mine"}, plan.RoleCache)
	for range 2 { // made, and found again
		if err := d.ownVolume(t.Context(), "ours", l); err != nil {
			t.Fatal(err)
		}
	}
	e.AddVolume("theirs", keptLabels(plan.Claim{Scope: "theirs"}, plan.RoleCache))
	before := e.Objects()
	err := d.ownVolume(t.Context(), "theirs", l)
	if !errors.Is(err, errForeign) || fault.IsOfJob(err) || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if !slices.Equal(e.Objects(), before) {
		t.Errorf("it left %q", e.Objects())
	}
}
