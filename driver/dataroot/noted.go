package dataroot

import (
	"fmt"
	"slices"
	"strings"
)

// snapshotterPrefix begins the names of directories of containerd's snapshotters.
const snapshotterPrefix = "io.containerd.snapshotter.v1."

// noteLayer reads dockerd's notes of a layer.
func (c *clearing) noteLayer(in *dir, chain string) error {
	d, err := in.enter(chain)
	if err != nil {
		return fmt.Errorf("%s: %w", in.show(chain), mounted(err))
	}
	defer d.close()
	at, err := c.read(d, "cache-id")
	if err != nil {
		return err
	}
	if at = strings.TrimSpace(at); !layerName.MatchString(at) {
		return throwAway("%s has the files %s", in.show(chain), shown(at))
	}
	n := notedLayer{at: at}
	parent, err := c.read(d, "parent")
	if err != nil {
		return err
	}
	if parent != "" {
		if n.parent, err = digestOf(parent); err != nil {
			return throwAway("%s: %w", in.show(chain), err)
		}
	}
	c.driver.noted[chain] = n
	return nil
}

// hasFiles is an error if a snapshot lacks the directory with its files.
func (c *clearing) hasFiles(in *dir, name string) error {
	d, err := in.enter(name)
	if err != nil {
		return fmt.Errorf("%s: %w", in.show(name), mounted(err))
	}
	defer d.close()
	h, err := d.look("fs")
	if err != nil {
		return throwAway("%s: %w", d.show("fs"), mounted(err))
	}
	h.close()
	return nil
}

// findSnapshots sets c.containerd: containerd has layers, all in known snapshotters. Its metadata
// cover all snapshotters, so a single unknown or broken snapshotter makes all of containerd's
// data useless.
func (c *clearing) findSnapshots() error {
	d := c.root
	for _, name := range []string{"containerd", "daemon"} {
		inner, err := c.enterIfDir(d, name)
		if err != nil || inner == nil {
			return err
		}
		defer inner.close()
		d = inner
	}
	names, err := c.names(d)
	if err != nil {
		return err
	}
	found := false
	for _, name := range names {
		if !strings.HasPrefix(name, snapshotterPrefix) {
			continue
		}
		some, whole, err := c.snapshotter(d, name)
		if err != nil {
			return err
		}
		if _, known := judge(areaDaemon, name); some && (!known || !whole) {
			return nil
		}
		found = found || some
	}
	c.containerd = found && has(d, "io.containerd.metadata.v1.bolt", "meta.db")
	return nil
}

// snapshotter tells whether a snapshotter has snapshots, and whether it has their metadata.
func (c *clearing) snapshotter(in *dir, name string) (some, whole bool, err error) {
	d, err := in.enter(name)
	if err != nil {
		return false, false, nil // the name decides about the entry
	}
	defer d.close()
	snapshots, err := d.enter("snapshots")
	if err != nil {
		return false, false, nil
	}
	defer snapshots.close()
	names, err := c.names(snapshots)
	if err != nil {
		return false, false, err
	}
	known, ok := judge(areaDaemon, name)
	some = slices.ContainsFunc(names, func(n string) bool {
		if !ok {
			return true
		}
		_, is := judge(named[known.area]["snapshots"].area, n)
		return is
	})
	return some, has(d, "metadata.db"), nil
}

// has tells whether there is an entry at the end of a path.
func has(d *dir, path ...string) bool {
	for _, name := range path[:len(path)-1] {
		inner, err := d.enter(name)
		if err != nil {
			return false
		}
		defer inner.close()
		d = inner
	}
	h, err := d.look(path[len(path)-1])
	if err != nil {
		return false
	}
	h.close()
	return true
}
