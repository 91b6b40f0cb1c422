package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/lab"
	"gitlab-dind-executor/test/rig"
)

// mutable makes the files of a volume removable again at the test's end, should the product
// have left them, and removes the volume.
func mutable(t *testing.T, volume string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		v, err := world.Engine.VolumeInspect(ctx, volume)
		if errdefs.IsNotFound(err) {
			return
		}
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := asRoot(ctx, "chattr -R -f -i -a "+v.Mountpoint+" || true"); err != nil {
			t.Error(err)
		}
		if err := world.Engine.VolumeRemove(ctx, volume, false); err != nil {
			t.Error(err)
		}
	})
}

// isGone tells whether a volume is gone, with labels or without.
func isGone(t *testing.T, volume string) bool {
	t.Helper()
	_, err := world.Engine.VolumeInspect(t.Context(), volume)
	if err != nil && !errdefs.IsNotFound(err) {
		t.Fatal(err)
	}
	return err != nil
}

// A job makes a file immutable, which its privileged sidecar allows. Neither the engine nor rm
// can remove such a file. The sweep behind the job clears the flag, and nothing stays.
func TestAnImmutableFileOfAJobDoesNotStay(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	var builds string
	runJobUnchecked(t, withProbe(t,
		`mkdir -p deep/er && echo kept >deep/er/file && echo more >deep/er/log`,
		`docker run --rm --privileged -v /builds:/builds -w $PWD $CI_REGISTRY/base/busybox sh -c './probe stick deep/er/log; ./probe freeze deep/er/file deep .. /builds'`,
		`rm -f deep/er/file deep/er/log || echo immutable`,
	), func(r *local.Runner) {
		r.OnHook = func(h local.Hook) {
			if h.Stage != "cleanup_file_variables" {
				return
			}
			for name, l := range ours(t) {
				if l["gitlab-dind-executor.role"] == "builds" {
					builds = name
				}
			}
			mutable(t, builds)
		}
	}).succeeded().quietCleanup().says("probe: stick deep/er/log: open", "probe: freeze deep/er/file: open", "probe: freeze deep: open",
		"probe: freeze ..: open", "probe: freeze /builds: open", "\nimmutable\n")
	if builds == "" {
		t.Fatal("no builds volume was there")
	}
	until(t, "the sweep behind the job", func() bool { return isGone(t, builds) })
	sandbox := strings.TrimSuffix(strings.TrimPrefix(builds, "dind-"), "-builds")
	until(t, "the marks behind it", func() bool { return len(labelsOf(t, sandbox)) == 0 && isGone(t, builds+"-stuck") })
}

// After a failed removal by force, an engine has dropped the volume's labels. The sweep finds
// the volume by its name, reports and removes it.
func TestAVolumeWithoutLabelsIsFoundByItsName(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	const sandbox = "0e2e00000001"
	builds := "dind-" + sandbox + "-builds"
	ctx := t.Context()
	if out, err := asRoot(ctx, fmt.Sprintf(`docker volume create --label gitlab-dind-executor.sandbox=%s --label gitlab-dind-executor.role=builds --label `+lab.InstallationLabel+`=`+lab.Installation+` %s >/dev/null
m=$(docker volume inspect -f '{{.Mountpoint}}' %[2]s); touch "$m/file"; chattr +i "$m/file"; docker volume rm -f %[2]s 2>/dev/null || docker volume inspect -f '{{json .Labels}}' %[2]s`, sandbox, builds)); err != nil || !strings.Contains(out, "null") {
		t.Fatalf("the engine keeps the labels: %v\n%s", err, out)
	}
	mutable(t, builds)
	// Volumes with similar names are not ours.
	foreign := []string{"dind-" + sandbox + "-buildsx", "dind-my-data", "dind-" + sandbox}
	for _, name := range foreign {
		if _, err := asRoot(ctx, "docker volume create "+name); err != nil {
			t.Fatal(err)
		}
		mutable(t, name)
	}
	_, status := admin(t, "", "status")
	if !strings.Contains(status, sandbox) || !strings.Contains(status, "orphan") {
		t.Errorf("status does not show it:\n%s", status)
	}
	if code, said := admin(t, "", "gc"); code != 0 || !isGone(t, builds) {
		t.Errorf("gc ended with %d and said:\n%s", code, said)
	}
	for _, name := range foreign {
		if isGone(t, name) {
			t.Errorf("%s was not ours, and is gone", name)
		}
	}
}

// Something is mounted in a leftover volume. The sweep unmounts it first, because the engine
// would remove the mounted files with the volume.
func TestWhatIsMountedInAVolumeStays(t *testing.T) {
	rig.Unchanged(t, world.Engine)
	const sandbox = "0e2e00000002"
	builds, outside := "dind-"+sandbox+"-builds", t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("host's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := asRoot(t.Context(), fmt.Sprintf(`docker volume create --label gitlab-dind-executor.sandbox=%s --label gitlab-dind-executor.role=builds --label `+lab.InstallationLabel+`=`+lab.Installation+` %s >/dev/null
docker volume inspect -f '{{.Mountpoint}}' %[2]s`, sandbox, builds))
	if err != nil {
		t.Fatal(err)
	}
	mutable(t, builds)
	at := strings.TrimSpace(out)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := asRoot(ctx, "for i in 1 2 3; do umount -l '"+at+"/a b/c' 2>/dev/null || umount -l '"+at+"/a b' 2>/dev/null || true; done"); err != nil {
			t.Error(err)
		}
	})
	mounts := fmt.Sprintf(`mkdir -p '%[1]s/a b' && mount --bind %[2]s '%[1]s/a b' && mkdir '%[1]s/a b/c' && mount --bind %[2]s '%[1]s/a b/c' && mount -o remount,ro,bind '%[1]s/a b'
ln -s %[2]s %[1]s/link`, at, outside)
	if _, err := asRoot(t.Context(), mounts); err != nil {
		t.Fatal(err)
	}
	code, said := admin(t, "", "gc")
	if code != 0 || !isGone(t, builds) || !strings.Contains(said, "removed volume "+builds+", which resisted: something is mounted in it") {
		t.Errorf("gc ended with %d and said:\n%s", code, said)
	}
	if b, err := os.ReadFile(filepath.Join(outside, "precious")); err != nil || string(b) != "host's\n" {
		t.Errorf("what was mounted there holds %q, %v", b, err)
	}
}
