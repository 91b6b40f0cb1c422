package dataroot_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/driver/dataroot"
	"gitlab-dind-executor/test/hostiletree"
)

var (
	trees = flag.Int("trees", 40, "how many hostile trees are cleared")
	first = flag.Int64("tree-seed", 1, "the seed of the first tree; the others follow")
)

// Clearing and emptying any data root touches nothing outside. A cleared data root holds only
// entries of the allow list, and a second clearing changes nothing.
func TestNoTreeLeadsOutOfADataRoot(t *testing.T) {
	var stayed, thrown, disturbed, copies int
	made, removed := hostiletree.Report{}, 0
	for seed := *first; seed < *first+int64(*trees); seed++ {
		func() {
			scratch, err := os.MkdirTemp("", "hostile")
			if err != nil {
				t.Fatal(err)
			}
			defer clean(t, scratch)
			root := scratch + "/volume/root"
			if err := os.MkdirAll(root, 0o700); err != nil {
				t.Fatal(err)
			}
			o := hostiletree.Options{Kind: hostiletree.DataRoot, Seed: seed, Entries: 150, Depth: 1000, Outside: outside(t, scratch+"/outside"), Honest: seed%2 == 0}
			if seed%8 == 5 {
				o.Entries = 3 // in so small a tree something may be worth keeping
			}
			if seed%50 == 25 {
				o.Entries = 10_000
			}
			if seed%500 == 0 {
				o.Entries = 100_000
			}
			report, err := hostiletree.Plant(root, o)
			if err != nil {
				t.Fatal(err)
			}
			for name, n := range report {
				made[name] += n
			}
			shared := map[string]bool{}
			before := look(t, scratch+"/outside", shared)
			if seed%4 == 1 { // somebody changes the tree meanwhile
				disturbed += disturb(t, root, o, func() { clearOnce(t, root) })
			}
			switch r, err := dataroot.Clear(t.Context(), root, dataroot.DefaultLimits()); {
			case err == nil:
				stayed++
				removed += r.Removed
				holdsLayersAlone(t, root)
				cleared := listing(t, root)
				if again, err := dataroot.Clear(t.Context(), root, dataroot.DefaultLimits()); err != nil || again.Removed > 0 || again.Layers != r.Layers || again.Stay != r.Stay {
					t.Errorf("again: %+v and then %+v, %v", r, again, err)
				}
				if got := listing(t, root); !slices.Equal(got, cleared) {
					t.Errorf("clearing it again changed it from\n%s\nto\n%s", strings.Join(cleared, "\n"), strings.Join(got, "\n"))
				}
				copies += cloned(t, root, scratch+"/copy")
				if seed%4 == 2 {
					disturbed += disturb(t, root, o, func() { _ = dataroot.CloneNames(t.Context(), root, scratch+"/copy") })
				}
			case errors.Is(err, dataroot.ErrThrowAway):
				thrown++
				if o.Honest { // every entry of the daemon is as it was
					t.Errorf("nothing stays of what a daemon left: %v", err)
				}
			default:
				t.Error(err)
			}
			if seed%4 == 3 {
				disturbed += disturb(t, root, o, func() { _ = dataroot.Empty(t.Context(), root, dataroot.DefaultLimits()) })
			}
			if err := dataroot.Empty(t.Context(), root, dataroot.DefaultLimits()); err != nil {
				t.Error(err)
			}
			if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
				t.Errorf("after emptying there is %v, %v", left, err)
			}
			if after := look(t, scratch+"/outside", shared); !slices.Equal(after, before) {
				t.Errorf("outside there was\n%s\nand is\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
		}()
		if t.Failed() {
			t.Fatalf("the tree's seed is %d: go test ./driver/dataroot -run NoTree -trees 1 -tree-seed %d", seed, seed)
		}
	}
	t.Logf("seeds %d to %d: %d stayed, %d were cloned, %d thrown away, %d entries removed from those, %d changes meanwhile", *first, *first+int64(*trees)-1, stayed, copies, thrown, removed, disturbed)
	for _, name := range slices.Sorted(maps.Keys(made)) {
		t.Logf("%6d × %s", made[name], name)
	}
	if *trees >= 40 && (stayed < *trees/4 || copies < stayed/2 || thrown < *trees/10) {
		t.Error("the trees are too much alike")
	}
}

// cloned clones a cleared data root, and returns 1 for a success. A clone has the same names, and
// a failed clone leaves none.
func cloned(t *testing.T, root, to string) int {
	t.Helper()
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	err := dataroot.CloneNames(t.Context(), root, to)
	var want []string
	if err == nil {
		want = names(t, root)
	}
	if got := names(t, to); !slices.Equal(got, want) {
		t.Errorf("the clone (%v) has\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err == nil {
		return 1
	}
	return 0
}

// names lists path, kind and mode of everything below a directory.
func names(t *testing.T, root string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := e.Info()
		all = append(all, fmt.Sprintf("%s %v", strings.TrimPrefix(path, root), info.Mode()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func clearOnce(t *testing.T, root string) {
	if _, err := dataroot.Clear(t.Context(), root, dataroot.DefaultLimits()); err != nil && !errors.Is(err, dataroot.ErrThrowAway) {
		t.Error(err)
	}
}

// disturb changes a tree while do works on it.
func disturb(t *testing.T, root string, o hostiletree.Options, do func()) (changes int) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if changes, err = hostiletree.Disturb(ctx, root, o); err != nil {
			t.Error(err)
		}
	}()
	working := make(chan struct{})
	go func() {
		defer close(working)
		do()
	}()
	select {
	case <-working:
	case <-time.After(200 * time.Millisecond): // the disturbance finds new work as long as do runs
	}
	cancel()
	<-done
	<-working
	return changes
}

const (
	hex64   = `[0-9a-f]{64}`
	layerID = `([0-9a-f]{64}|[0-9a-z]{25})`
)

var (
	// mayBe matches files and directories that a cleared data root may hold, by a list of this
	// test's own. Contents of layers lie below matches of ofLayers.
	mayBe = regexp.MustCompile(`^(\.seed|engine-id` +
		`|image(/(overlay2|fuse-overlayfs|vfs|btrfs)(/(distribution(/(diffid-by-digest|v2metadata-by-diffid)(/sha(256|384|512)(/` + hex64 + `)?)?)?` +
		`|imagedb(/content(/sha(256|384|512)(/` + hex64 + `)?)?|/metadata(/sha(256|384|512)(/` + hex64 + `(/(parent|lastUpdated|builtLocally))?)?)?)?` +
		`|layerdb(/sha256(/` + hex64 + `(/(cache-id|diff|parent|size|descriptor\.json|tar-split\.json\.gz))?)?)?))?)?` +
		`|(overlay2|fuse-overlayfs)(/l(/[A-Z0-9]{26})?|/` + layerID + `(/(diff|work|link|lower|committed))?)?` +
		`|vfs(/dir(/` + layerID + `)?)?|btrfs(/subvolumes(/` + layerID + `)?)?` +
		`|buildkit(/(cache|metadata|metadata_v2|snapshots|containerdmeta|history|history_c8d)\.db|/containerd-(overlayfs|fuse-overlayfs|native)(/metadata_v2\.db|/workerid)?|/content(/blobs(/sha(256|384|512)(/` + hex64 + `)?)?)?)?` +
		`|content(/metadata\.db|/data(/blobs(/sha(256|384|512)(/` + hex64 + `)?)?)?)?` +
		`|containerd(/daemon(/io\.containerd\.(metadata\.v1\.bolt(/meta\.db)?|content\.v1\.content(/blobs(/sha(256|384|512)(/` + hex64 + `)?)?)?` +
		`|snapshotter\.v1\.(overlayfs|fuse-overlayfs)(/metadata\.db|/snapshots(/[1-9][0-9]*(/fs|/work)?)?)?` +
		`|snapshotter\.v1\.native(/metadata\.db|/snapshots(/[1-9][0-9]*)?)?))?)?)$`)
	ofLayers  = regexp.MustCompile(`^((overlay2|fuse-overlayfs)/` + layerID + `/(diff|work)|vfs/dir/[^/]+|btrfs/subvolumes/[^/]+|.*/snapshots/[^/]+/(fs|work)|.*\.native/snapshots/[^/]+)$`)
	shortName = regexp.MustCompile(`^(overlay2|fuse-overlayfs)/l/[A-Z0-9]{26}$`)
)

// holdsLayersAlone checks that a cleared data root holds nothing but layers.
func holdsLayersAlone(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rest, _ := filepath.Rel(root, path)
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st); err != nil {
			return err
		}
		if st.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 {
			t.Errorf("%q has flags", rest)
		}
		switch {
		case !mayBe.MatchString(rest):
			t.Errorf("there is %q", rest)
		case shortName.MatchString(rest):
			to, err := os.Readlink(path)
			parts := strings.Split(to, "/")
			if err != nil || len(parts) != 3 || parts[0] != ".." || parts[2] != "diff" {
				t.Errorf("%q leads to %q, %v", rest, to, err)
				break
			}
			if link, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(path)), parts[1], "link")); err != nil || string(link) != filepath.Base(path) {
				t.Errorf("%q leads to a layer that has the name %q, %v", rest, link, err)
			}
		case e.IsDir():
			if ofLayers.MatchString(rest) {
				return fs.SkipDir
			}
		case !e.Type().IsRegular() || st.Nlink != 1 || st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 || st.Size > 1<<41:
			t.Errorf("%q has mode %o, %d names and %d bytes", rest, st.Mode, st.Nlink, st.Size)
		default:
			if n, err := unix.Llistxattr(path, nil); err != nil || n > 0 {
				t.Errorf("%q has attributes, %v", rest, err)
			}
		}
		if filepath.Base(rest) == "cache-id" {
			hasFiles(t, root, rest)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// hasFiles checks that the files of a noted layer exist.
func hasFiles(t *testing.T, root, note string) {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(root, note))
	at := map[string]string{"overlay2": "overlay2/%s/diff", "fuse-overlayfs": "fuse-overlayfs/%s/diff", "vfs": "vfs/dir/%s", "btrfs": "btrfs/subvolumes/%s"}
	if info, serr := os.Lstat(filepath.Join(root, fmt.Sprintf(at[strings.Split(note, "/")[1]], id))); err != nil || serr != nil || !info.IsDir() {
		t.Errorf("%q names %q: %v, %v", note, id, err, serr)
	}
}

// listing describes everything in a cleared data root that another clearing could change.
func listing(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		all = append(all, fmt.Sprint(path, info.Mode(), info.Size(), info.ModTime()))
		if rest, _ := filepath.Rel(root, path); ofLayers.MatchString(rest) {
			return fs.SkipDir // deeper paths may be too long
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return all
}
