package driver

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// program replaces the program for containers by an empty file.
func program(d *Driver) *Driver {
	d.removal.Executable = "/dev/null"
	return d
}

// A job made a file immutable. Cleanup marks the volume and ends, and the rest of the
// sandbox goes. A later process empties the volume.
func TestAVolumeThatResistsHasAMarkAndIsFreedBehindTheJob(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Millisecond
	program(d)
	sandboxOf(e, testJob, "aaaaaaaaaaaa", "")
	builds := "dind-aaaaaaaaaaaa-builds"
	e.Immutable(builds, true)
	before := time.Now().Truncate(time.Second)
	rest, err := d.CleanupPatiently(t.Context(), testJob)
	if err != nil || !rest || d.removal.Noted() != 1 {
		t.Fatalf("rest %t, noted %d, error %v", rest, d.removal.Noted(), err)
	}
	if left := e.Objects(); !slices.Equal(left, []string{"volume " + builds, "volume " + builds + "-stuck"}) {
		t.Fatalf("left are %q", left)
	}
	stuck, err := d.removal.Stuck(t.Context())
	if err != nil || len(stuck) != 1 || stuck[0].Name != builds || stuck[0].Reason != "operation not permitted" || stuck[0].Since.Before(before) {
		t.Errorf("stuck are %+v, %v", stuck, err)
	}
	states, err := d.CountSandboxes(t.Context(), time.Now(), time.Hour)
	if err != nil || states[looking.Orphan] != 1 {
		t.Errorf("states %v, %v", states, err)
	}
	would, _, err := d.removal.FreeStuck(t.Context(), true)
	if err != nil || len(would) != 1 || len(e.Objects()) != 2 {
		t.Errorf("a dry run: %+v, %v", would, err)
	}
	freed, failed, err := d.removal.FreeStuck(t.Context(), false)
	if err != nil || failed != 0 || len(freed) != 1 || freed[0].Name != builds {
		t.Errorf("freed %+v, %d failed, %v", freed, failed, err)
	}
	if left := e.Objects(); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

// An engine that could not remove a volume by force has dropped its labels.
func TestWhatHasLostItsLabelsIsFoundByItsName(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	program(d)
	names := []string{
		"dind-aaaaaaaaaaaa-builds", "dind-aaaaaaaaaaaa-sidecar-v0", label.DataName("scope", "kind", 0), label.CacheName("scope"),
		label.UsedName(label.CacheName("scope"), "aaaaaaaaaaaa"), label.SeedName("bbbbbbbbbbbb", "aaaaaaaaaaaa"), label.ReadyName(label.SeedName("bbbbbbbbbbbb", "aaaaaaaaaaaa")),
		"dind-mirror-aaaaaaaaaaaa-data", "dind-data-aaaaaaaaaaaa-0-sidecar-v0",
	}
	foreign := []string{"dind-aaaaaaaaaaaa", "dind-my-data", "dind-aaaaaaaaaaaa-backup", "builds", "dind-cache-mine"}
	for _, n := range slices.Concat(names, foreign) {
		e.AddVolume(n, nil)
		e.Immutable(n, true)
	}
	e.AddVolume("dind-cccccccccccc-builds", map[string]string{"com.docker.compose.project": "theirs"})
	stuck, err := d.removal.Stuck(t.Context())
	if err != nil || len(stuck) != len(names)-2 { // two belong to a sandbox
		t.Errorf("stuck are %+v, %v", stuck, err)
	}
	if _, err := d.Sweep(t.Context(), noon, time.Hour, false); err == nil || removal.ButStuck(err) != nil {
		t.Errorf("error %v, other than stuck %v", err, removal.ButStuck(err))
	}
	freed, failed, err := d.removal.FreeStuck(t.Context(), false)
	if err != nil || failed != 0 || len(freed) != len(names) {
		t.Errorf("freed %+v, %d failed, %v", freed, failed, err)
	}
	var want []string
	for _, n := range append(foreign, "dind-cccccccccccc-builds") {
		want = append(want, "volume "+n)
	}
	if left := e.Objects(); !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
}

// The labels of a sandbox's volume are lost, but its job runs, so the volume is the job's.
func TestAVolumeWithoutLabelsOfALivingJobStays(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	me, err := owner.This()
	if err != nil {
		t.Fatal(err)
	}
	sandboxOf(e, testJob, "aaaaaaaaaaaa", me.String())
	e.Remove("dind-aaaaaaaaaaaa-builds")
	e.AddVolume("dind-aaaaaaaaaaaa-builds", nil)
	before := e.Objects()
	if _, err := d.Sweep(t.Context(), noon.Add(-time.Hour), time.Hour, false); err != nil {
		t.Fatal(err)
	}
	if freed, _, err := d.removal.FreeStuck(t.Context(), false); err != nil || len(freed) != 0 {
		t.Errorf("freed %+v, %v", freed, err)
	}
	if left := e.Objects(); !slices.Equal(left, before) {
		t.Errorf("left are %q of %q", left, before)
	}
	if err := d.Cleanup(t.Context(), testJob); err != nil || len(e.Objects()) != 0 {
		t.Errorf("left are %q, %v", e.Objects(), err)
	}
}

// A volume that resists does not stop the removal of others.
func TestOneVolumeThatResistsKeepsNoOther(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.bounds.RemoveFirstGap = time.Millisecond
	program(d)
	e.OnProgram = func(*fakeengine.Container) int { return 1 }
	dead := `{"machine":"` + owner.Here().Machine + `"}`
	var first string
	for i, scope := range []string{"a", "b", "c"} {
		sandboxOf(e, testJob, strings.Repeat(scope, 12), dead)
		e.Remove("dind-" + strings.Repeat(scope, 12))
		name := leave(e, plan.RoleData, scope, noon.Add(time.Duration(i)*time.Minute), 1)
		if i == 0 {
			first = name
			e.Immutable(name, true)
			e.Immutable("dind-"+strings.Repeat(scope, 12)+"-builds", true)
		}
	}
	for range 2 { // first the volume is new, then it is known
		if dropped, err := d.Layers.DropLayers(t.Context(), noon); !dropped || err != nil {
			t.Errorf("dropped layers: %t, %v", dropped, err)
		}
	}
	if dropped, err := d.Layers.DropLayers(t.Context(), noon); dropped || err != nil {
		t.Errorf("what is known to resist was tried again: %t, %v", dropped, err)
	}
	s := config.Default()
	s.Cache.MaxAge = 1
	if _, err := d.RemoveCached(t.Context(), s, noon.Add(time.Hour), false); err == nil || removal.ButStuck(err) != nil {
		t.Errorf("error %v", err)
	}
	verdicts, err := d.Sweep(t.Context(), noon, time.Hour, false)
	if err == nil || removal.ButStuck(err) != nil || len(verdicts) != 3 || !verdicts[0].Failed || verdicts[1].Failed || verdicts[2].Failed {
		t.Errorf("verdicts %+v, %v", verdicts, err)
	}
	_, failed, err := d.removal.FreeStuck(t.Context(), false)
	if failed != 2 || err == nil || !strings.Contains(err.Error(), "removing volume "+first+": operation not permitted") ||
		!strings.Contains(err.Error(), "ended with code 1") || !strings.Contains(fault.HintOf(err), "Volumes that resist") {
		t.Errorf("%d failed, error %v, hint %q", failed, err, fault.HintOf(err))
	}
	builds := "dind-aaaaaaaaaaaa-builds"
	want := []string{first, label.StateName(first, label.DataDamaged), label.UsedName(first, "0123456789ab"), builds, builds + "-stuck", first + "-stuck"}
	var left []string
	for _, v := range e.Volumes() {
		left = append(left, v.Name)
	}
	slices.Sort(left)
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	// If a person mends the volume by hand, nothing else is needed.
	e.Immutable(first, false)
	e.Immutable(builds, false)
	if freed, failed, err := d.removal.FreeStuck(t.Context(), false); err != nil || failed != 0 || len(freed) != 2 {
		t.Errorf("freed %+v, %d failed, %v", freed, failed, err)
	}
}

// A cached data root that resists is emptied by a container with the name of its lease, so
// no job gets it meanwhile.
func TestNoDaemonGetsADataRootThatIsEmptied(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	program(d)
	data := leave(e, plan.RoleData, "a", noon, 1)
	e.Immutable(data, true)
	var holder string
	e.OnProgram = func(c *fakeengine.Container) int {
		holder = c.Name
		return 0
	}
	if _, err := d.Layers.DropLayers(t.Context(), noon); !removal.AllStuck(err) {
		t.Errorf("error %v", err)
	}
	if freed, _, err := d.removal.FreeStuck(t.Context(), false); err != nil || len(freed) != 1 || holder != label.LeaseName(data) {
		t.Errorf("freed %+v under the name %q, %v", freed, holder, err)
	}
}

// A mark is no reason to remove a volume that is not ours.
func TestAMarkAboutSomebodyElsesVolumeRemovesNothing(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	program(d)
	for _, of := range []string{"db", "dind-aaaaaaaaaaaa-builds"} {
		e.AddVolume(of, map[string]string{"theirs": "yes"})
		e.AddVolume(label.StuckName(of), label.ForStuck(of, "x"))
	}
	before := e.Objects()
	if freed, _, err := d.removal.FreeStuck(t.Context(), false); err != nil || len(freed) != 0 || !slices.Equal(e.Objects(), before) {
		t.Errorf("freed %+v, left %q, %v", freed, e.Objects(), err)
	}
}

func TestWhatCountsAsAVolumeThatResists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer fakeengine.Answer
		marked bool
	}{
		"an immutable file":                    {fakeengine.Refuse(500, "unlinkat /x/\x1b[31m: y: operation not permitted"), true},
		"a mount":                              {fakeengine.Refuse(500, "unlinkat /x: device or resource busy"), true},
		"a volume in use":                      {fakeengine.Refuse(409, "volume is in use"), false},
		"a plugin's no":                        {fakeengine.Refuse(403, "denied"), false},
		"an engine that is gone in the middle": {fakeengine.Cut(), false},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			d.bounds.RemoveFirstGap = time.Millisecond
			e.AddVolume("dind-aaaaaaaaaaaa-builds", label.InSandbox("aaaaaaaaaaaa", plan.RoleBuilds))
			e.Script("DELETE /volumes/{name}", c.answer)
			_, err := d.removal.DropVolume(t.Context(), "dind-aaaaaaaaaaaa-builds")
			if removal.AllStuck(err) != c.marked || (d.removal.Noted() == 1) != c.marked || len(e.Objects()) == 2 != c.marked {
				t.Errorf("error %v, left %q", err, e.Objects())
			}
			if c.marked && strings.ContainsAny(err.Error(), "\x1b/") {
				t.Errorf("the name of a file is in %q", err)
			}
		})
	}
}
