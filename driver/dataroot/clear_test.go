package dataroot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestClearLeavesLayersAndBuildCacheAlone(t *testing.T) {
	root := used(t)
	for range 2 {
		r, err := Clear(t.Context(), root, DefaultLimits())
		if err != nil || r.Layers != 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		isExactly(t, root, stays())
	}
}

// Clear follows none of the planted entries, keeps none, and is not stopped by any.
func TestClearDropsWhatItDoesNotKnow(t *testing.T) {
	outside := t.TempDir()
	plant(t, outside, map[string]string{"program": "of the host", linkMine: "of the host"})
	for name, planted := range map[string]map[string]string{
		"a file where the old clearing had its directory": {".gone": "", ".gone-too": "->" + outside, "dockerd": "#!/bin/sh\n"},
		"settings of the next daemon":                     {"daemon.json": `{"hosts":[]}`, ".config/docker/daemon.json": "{}"},
		"plugins of containerd, with snapshots": {
			"containerd/daemon/plugins/evil.so":                                       "code",
			"containerd/daemon/io.containerd.snapshotter.v1.evil/snapshots/1/fs/file": "text",
			"containerd/daemon/io.containerd.snapshotter.v1.evil/metadata.db":         "db",
		},
		"a container that names what is above": {"image/overlay2/layerdb/mounts/x/mount-id": "../..", "image/overlay2/layerdb/mounts/y/init-id": "/etc"},
		"something else among containers":      {"image/overlay2/layerdb/mounts/x": "->" + outside, "image/overlay2/layerdb/mounts/y": "text"},
		"a storage driver without images":      {"vfs/dir/" + base + "/x": "text", "zfs/x": "text"},
		"images of a driver that is not known": {"image/evil/layerdb/sha256/" + chain + "/cache-id": base, "evil/x": "text"},
		"odd names":                            {"\xff\n\x1b[2J": "text", "overlay2/" + strings.Repeat("é", 12): "text", "overlay2/l/" + strings.Repeat("z", 255): "->/"},
		"short names that lead elsewhere":      {"overlay2/l/" + strings.Repeat("E", 26): "->" + outside, "overlay2/l/" + strings.Repeat("F", 26): "->../" + base + "/diff", "overlay2/l/d/x": "text"},
		"half of a layer":                      {"overlay2/" + strings.Repeat("d", 64) + "/diff/x": "text", "overlay2/" + strings.Repeat("e", 64) + "/link": strings.Repeat("E", 26)},
		"a layer without a short name":         {"overlay2/" + strings.Repeat("d", 64) + "/diff/x": "text", "overlay2/" + strings.Repeat("d", 64) + "/link": strings.Repeat("D", 26)},
		"more within layers":                   {"overlay2/" + base + "/evil": "->" + outside, "overlay2/" + base + "/merged/x": "text"},
		"more within what is noted":            {"image/overlay2/imagedb/evil": "->" + outside, "image/overlay2/layerdb/sha256/" + chain + "/evil": "x", "buildkit/evil.db": "db", "engine-id.d/x": ""},
		"what a killed copy and clearing left": {part + "/overlay2/x": "text", Dir + ".gone-0/x": "text", Dir + "/gitlab-dind-executor": "program"},
	} {
		t.Run(name, func(t *testing.T) {
			root := used(t)
			plant(t, root, planted)
			r, err := Clear(t.Context(), root, DefaultLimits())
			if err != nil || r.Layers != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			isExactly(t, root, stays())
			isExactly(t, outside, []string{"program", linkMine})
		})
	}
}

// An entry that no daemon makes condemns the whole data root.
func TestClearThrowsAway(t *testing.T) {
	outside := t.TempDir()
	plant(t, outside, map[string]string{linkBase: "of the host", "sha256/" + chain: "of the host"})
	become := func(path string, create func(at string) error) func(string) error {
		return func(root string) error {
			at := filepath.Join(root, path)
			return errors.Join(os.RemoveAll(at), create(at))
		}
	}
	link := func(at string) error { return os.Symlink(outside, at) }
	text := func(s string) func(string) error {
		return func(at string) error { return os.WriteFile(at, []byte(s), 0o644) }
	}
	layer := "overlay2/" + base
	for name, damage := range map[string]func(root string) error{
		"image is a link":               become("image", link),
		"a driver's images are a link":  become("image/overlay2", link),
		"layers are a link":             become("overlay2", link),
		"short names are a link":        become("overlay2/l", link),
		"a layer is a link":             become(layer, link),
		"a layer's files are a link":    become(layer+"/diff", link),
		"a layer's name is a link":      become(layer+"/link", func(at string) error { return os.Symlink(outside+"/"+linkBase, at) }),
		"a layer lies on what is above": become(layer+"/lower", text("../../../etc")),
		"a layer lies on itself":        become(layer+"/lower", text("l/"+linkBase)),
		"a layer lies on too little":    become("overlay2/"+mine+"/lower", text("l/"+linkBase+":l/"+linkMine)),
		"a layer is not there":          become(layer, func(string) error { return nil }),
		"a layer is in a pipe":          become(layer+"/link", func(at string) error { return unix.Mkfifo(at, 0o600) }),
		"a note is a pipe":              become("image/overlay2/layerdb/mounts/"+container+"/mount-id", func(at string) error { return unix.Mkfifo(at, 0o600) }),
		"a layer is noted elsewhere":    become("image/overlay2/layerdb/sha256/"+chain+"/cache-id", text("../../etc")),
		"a chain leads nowhere":         become("image/overlay2/layerdb/sha256/"+chain+"/parent", text("sha256:"+strings.Repeat("2", 64))),
		"a chain leads above":           become("image/overlay2/layerdb/sha256/"+chain+"/parent", text("sha256:../../../etc")),
		"a short name has two names":    func(root string) error { return os.Link(root+"/"+layer+"/link", root+"/"+layer+"/committed2") },
		"a database is a device":        become("buildkit/cache.db", func(at string) error { return unix.Mknod(at, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))) }),
		"a database is a link":          become("buildkit/cache.db", link),
		"a database is a directory":     become("buildkit/cache.db", func(at string) error { return os.Mkdir(at, 0o700) }),
		"a database is endless":         func(root string) error { return os.Truncate(root+"/buildkit/cache.db", 1<<40) },
		"a database is setuid":          func(root string) error { return unix.Chmod(root+"/buildkit/cache.db", 0o4755) },
		"a configuration is endless": func(root string) error {
			return os.Truncate(root+"/image/overlay2/imagedb/content/sha256/"+chain, 1<<30)
		},
		"blobs are a link":              become("buildkit/content/blobs", link),
		"the engine's id is a link":     become("engine-id", func(at string) error { return os.Symlink("/etc/shadow", at) }),
		"the engine's id has two names": func(root string) error { return os.Link(root+"/engine-id", root+"/volumes/twin") },
		"attributes of a note": func(root string) error {
			return unix.Setxattr(root+"/engine-id", "trusted.overlay.opaque", []byte("y"), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := used(t)
			if err := damage(root); errors.Is(err, unix.EPERM) && os.Getuid() != 0 {
				t.Skip("it needs root")
			} else if err != nil {
				t.Fatal(err)
			}
			if _, err := Clear(t.Context(), root, DefaultLimits()); !errors.Is(err, ErrThrowAway) {
				t.Errorf("the error is %v", err)
			}
			isExactly(t, outside, []string{linkBase, "sha256/" + chain})
		})
	}
}

func TestClearTakesFlagsFromWhatStays(t *testing.T) {
	root := used(t)
	for path, flag := range map[string]uint32{
		"buildkit/cache.db": unix.STATX_ATTR_IMMUTABLE, "overlay2/l": unix.STATX_ATTR_APPEND, "overlay2/" + base + "/diff": unix.STATX_ATTR_IMMUTABLE,
		"overlay2/" + base: unix.STATX_ATTR_IMMUTABLE, "image": unix.STATX_ATTR_IMMUTABLE, "containers": unix.STATX_ATTR_IMMUTABLE,
		"volumes/v1/_data/file": unix.STATX_ATTR_IMMUTABLE, "": unix.STATX_ATTR_APPEND,
	} {
		freeze(t, filepath.Join(root, path), flag)
	}
	if _, err := Clear(t.Context(), root, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	isExactly(t, root, stays())
	if err := os.RemoveAll(root); err != nil {
		t.Errorf("something still has a flag: %v", err)
	}
}

// containerdRoot is dockerd's content of a data root with containerd's image store.
func containerdRoot(snapshotter string) map[string]string {
	at := "containerd/daemon/io.containerd.snapshotter.v1." + snapshotter
	return map[string]string{
		"buildkit/cache.db":                                                        "db",
		"buildkit/containerd-overlayfs/metadata_v2.db":                             "db",
		"buildkit/containerd-overlayfs/workerid":                                   "id",
		"containerd/daemon/io.containerd.metadata.v1.bolt/meta.db":                 "db",
		"containerd/daemon/io.containerd.content.v1.content/blobs/sha256/" + chain: "blob",
		at + "/metadata.db":                                                        "db",
		at + "/snapshots/1/fs/file":                                                "text",
		at + "/snapshots/1/work/":                                                  "",
	}
}

func TestClearLeavesWhatContainerdHasOfLayers(t *testing.T) {
	for name, tc := range map[string]struct {
		snapshotter string
		planted     map[string]string
		without     string
		layers      int
	}{
		"overlayfs":                  {snapshotter: "overlayfs", layers: 1},
		"without root":               {snapshotter: "fuse-overlayfs", layers: 1},
		"beside what it makes anew":  {snapshotter: "overlayfs", layers: 1, planted: map[string]string{"containerd/daemon/opt/x": "", "containerd/daemon/plugins/x.so": "", "containerd/daemon/io.containerd.snapshotter.v1.btrfs/": "", "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/x": "->/", "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/new-1/fs/": "", "containerd/daemon/io.containerd.runtime.v2.task/moby/x": ""}},
		"a snapshotter nobody knows": {snapshotter: "evil"},
		"and one more nobody knows":  {snapshotter: "overlayfs", planted: map[string]string{"containerd/daemon/io.containerd.snapshotter.v1.evil/snapshots/1/x": ""}},
		"without containerd's own":   {snapshotter: "overlayfs", without: "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"},
		"without the snapshotter's":  {snapshotter: "overlayfs", without: "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/metadata.db"},
		"with neither of snapshots":  {snapshotter: "overlayfs", without: "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots"},
	} {
		t.Run(name, func(t *testing.T) {
			root, all := t.TempDir(), containerdRoot(tc.snapshotter)
			plant(t, root, all)
			plant(t, root, tc.planted)
			if tc.without != "" {
				if err := os.RemoveAll(filepath.Join(root, tc.without)); err != nil {
					t.Fatal(err)
				}
			}
			r, err := Clear(t.Context(), root, DefaultLimits())
			if err != nil || r.Layers != tc.layers {
				t.Fatalf("%+v, %v", r, err)
			}
			var want []string
			for p := range all {
				if tc.layers > 0 {
					want = append(want, p)
				}
			}
			if tc.layers == 0 {
				want = []string{"./"}
			}
			isExactly(t, root, want)
		})
	}
}

func TestClearEndsAtItsBounds(t *testing.T) {
	late := errors.New("it takes too long")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(late)
	if _, err := Clear(ctx, used(t), DefaultLimits()); !errors.Is(err, ErrThrowAway) || !errors.Is(err, late) {
		t.Errorf("out of time, the error is %v", err)
	}
	for _, limits := range []Limits{{Stay: 20, Removed: 1000}, {Stay: 1000, Removed: 5}} {
		if _, err := Clear(t.Context(), used(t), limits); !errors.Is(err, ErrThrowAway) {
			t.Errorf("%+v: the error is %v", limits, err)
		}
	}
	if _, err := Clear(t.Context(), t.TempDir()+"/none", DefaultLimits()); err == nil || errors.Is(err, ErrThrowAway) {
		t.Errorf("without a root, the error is %v", err)
	}
}

func TestNothingIsMountedInADataRoot(t *testing.T) {
	for _, at := range []string{"mount", "overlay2/" + base + "/diff", "image", "buildkit/cache.db"} {
		t.Run(at, func(t *testing.T) {
			root, other := used(t), t.TempDir()
			plant(t, other, map[string]string{"file": "of the host"})
			plant(t, root, map[string]string{"mount/": ""})
			from := other
			if strings.HasSuffix(at, ".db") {
				from += "/file"
			}
			if err := unix.Mount(from, filepath.Join(root, at), "", unix.MS_BIND, ""); err != nil {
				t.Skipf("mounting needs root: %v", err)
			}
			t.Cleanup(func() { _ = unix.Unmount(filepath.Join(root, at), unix.MNT_DETACH) })
			_, err := Clear(t.Context(), root, DefaultLimits())
			if !errors.Is(err, ErrThrowAway) || !errors.Is(err, ErrMounted) {
				t.Errorf("the error is %v", err)
			}
			isExactly(t, other, []string{"file"})
		})
	}
}

// A planted name reaches the log as plain text, without control bytes for a terminal.
func TestFaultsAreShownAsText(t *testing.T) {
	d := dir{at: "a\x1b[2J"}
	if got := fmt.Sprint(d.show("b\n" + strings.Repeat("c", 300))); strings.ContainsAny(got, "\x1b\n") || len(got) > 250 {
		t.Errorf("%s", got)
	}
}

// A host in trouble says nothing about a data root.
func TestAReadOnlyVolumeIsNoReasonToThrowItAway(t *testing.T) {
	root := used(t)
	if err := unix.Mount(root, root, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(root, unix.MNT_DETACH) })
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Clear(t.Context(), root, DefaultLimits()); !errors.Is(err, unix.EROFS) || errors.Is(err, ErrThrowAway) {
		t.Errorf("the error is %v", err)
	}
}

// Older kernels lack openat2, and containers of older engines may not call it.
func TestClearIsTheSameWithoutOpenat2(t *testing.T) {
	has := hasOpenat2
	hasOpenat2 = func() bool { return false }
	defer func() { hasOpenat2 = has }()
	t.Run("keeps", TestClearLeavesLayersAndBuildCacheAlone)
	t.Run("drops", TestClearDropsWhatItDoesNotKnow)
	t.Run("throws away", TestClearThrowsAway)
	t.Run("mounts", TestNothingIsMountedInADataRoot)
	t.Run("copies", TestACopyFollowsNothingThatWasPlanted)
}
