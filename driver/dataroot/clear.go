package dataroot

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Result counts the entries of a data root after Clear.
type Result struct {
	// Layers is the number of layers left, of images and of the build cache.
	Layers int
	// Stay is the number of entries left, contents of layers excluded. Removed is the number of
	// entries removed.
	Stay, Removed int
}

// ErrThrowAway is returned for a data root with entries that no docker daemon makes, or beyond a
// limit. No daemon may have such a data root.
var ErrThrowAway = errors.New("the data root is damaged: throw it away")

func throwAway(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrThrowAway, fmt.Errorf(format, a...))
}

// Clear makes a data root, with content from anybody, fit for a new daemon. Known and wanted
// parts of layers and build cache stay; everything else goes. No daemon may have the data root
// meanwhile. Clear may be called again after any earlier call.
//
// After ErrThrowAway nothing of the data root may stay. After any other error the state is
// unknown, and the data root must not be used either.
func Clear(ctx context.Context, root string, limits Limits) (Result, error) {
	d, err := openRoot(root)
	if err != nil {
		return Result{}, err
	}
	defer d.close()
	if err := able(d); err != nil {
		return Result{}, err
	}
	c := clearing{ctx: ctx, root: d, limits: limits, drivers: map[string]*driverLayers{}}
	err = c.clear()
	if ofHost(err) {
		return Result{}, fmt.Errorf("clearing a data root: %w", err)
	}
	if err != nil && !errors.Is(err, ErrThrowAway) {
		err = throwAway("%w", err)
	}
	return Result{Layers: c.layers, Stay: c.stayed, Removed: c.removed}, err
}

// ofHost tells whether an error means trouble of the host, and so says nothing about the data
// root.
func ofHost(err error) bool {
	for _, e := range []error{unix.EIO, unix.EROFS, unix.ENOMEM, unix.EMFILE, unix.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// able is an error if this host lacks something that the work needs, such as /proc.
func able(d *dir) error {
	h, err := d.look(".")
	if err != nil {
		return fmt.Errorf("looking at the root: %w", err)
	}
	defer h.close()
	f, err := h.open()
	if err != nil {
		return fmt.Errorf("opening what was looked at, by /proc: %w", err)
	}
	return f.Close()
}

// clearing is the state of one call of Clear.
type clearing struct {
	ctx    context.Context
	root   *dir
	limits Limits
	// gone is the directory that takes all entries to be removed. Moving takes no time, whatever
	// an entry holds. gones counts the entries in gone, and goneName is its name.
	gone     *dir
	gones    int
	goneName string

	drivers map[string]*driverLayers
	// driver is the storage driver whose directory is being read.
	driver *driverLayers
	// containerd tells whether containerd has layers; snapshots counts them.
	containerd              bool
	snapshots               int
	looked, stayed, removed int
	layers                  int
}

func (c *clearing) clear() (err error) {
	if _, err := thaw(c.root.fd); err != nil {
		return err
	}
	defer func() {
		if c.gone != nil {
			c.gone.close()
		}
	}()
	if err := c.findDrivers(); err != nil {
		return err
	}
	if err := c.findSnapshots(); err != nil {
		return err
	}
	if err := c.sift(c.root, areaRoot); err != nil {
		return err
	}
	for _, l := range c.drivers {
		if err := l.check(); err != nil {
			return err
		}
		c.layers += l.count()
	}
	c.layers += c.snapshots
	return c.removeGone()
}

// sift removes the entries that an area may not hold, and descends into the others.
func (c *clearing) sift(d *dir, in area) error {
	names, err := c.names(d)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := context.Cause(c.ctx); err != nil {
			return err
		}
		want, ok := judge(in, name)
		if !ok || !c.wants(in, name) {
			if err := c.drop(d, name); err != nil {
				return err
			}
			continue
		}
		if err := c.retain(d, name, want); err != nil {
			return err
		}
		if err := c.note(d, in, name); err != nil {
			return err
		}
	}
	return nil
}

// wants tells whether an allowed name is of use, given the other content of the data root.
func (c *clearing) wants(in area, name string) bool {
	switch in {
	case areaRoot:
		switch name {
		case "image":
			return len(c.drivers) > 0
		case "buildkit": // the layers belong to a storage driver or to containerd
			return len(c.drivers) > 0 || c.containerd
		case "containerd":
			return c.containerd
		}
		if _, driver := named[areaImages][name]; driver {
			c.driver = c.drivers[name]
			return c.driver != nil
		}
	case areaImages:
		c.driver = c.drivers[name]
		return c.driver != nil
	case areaFlatLayers:
		return !c.driver.containers[name]
	}
	return true
}

// note records a layer that stays.
func (c *clearing) note(d *dir, in area, name string) error {
	switch in {
	case areaFlatLayers:
		c.driver.there[name] = true
	case areaNativeLayers:
		c.snapshots++
	case areaSnapshots:
		c.snapshots++
		return c.hasFiles(d, name)
	case areaLayers:
		return c.noteLayer(d, name)
	}
	return nil
}

// names reads a directory, and counts its entries against limits.Stay.
func (c *clearing) names(d *dir) ([]string, error) {
	names, err := d.names(c.limits.Stay - c.looked)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", shown(d.at), err)
	}
	c.looked += len(names)
	return names, nil
}

// retain keeps an entry that fits its rule. A misfit was planted, since no daemon makes such an
// entry, and is an error.
func (c *clearing) retain(d *dir, name string, want rule) error {
	if err := c.check(d, name, want); err != nil {
		return fmt.Errorf("%s: %w", d.show(name), err)
	}
	c.stayed++
	if !want.dir || want.content() {
		return nil
	}
	inner, err := d.enter(name)
	if err != nil {
		return fmt.Errorf("%s: %w", d.show(name), mounted(err))
	}
	defer inner.close()
	if want.area == areaOverlay {
		return c.siftOverlay(inner, name)
	}
	return c.sift(inner, want.area)
}

// check compares an entry with its rule, and clears flags that would hinder a daemon.
func (c *clearing) check(d *dir, name string, want rule) error {
	h, err := d.look(name)
	if err != nil {
		return mounted(err)
	}
	defer h.close()
	if err := want.fits(h); err != nil {
		return err
	}
	if h.frozen() {
		f, err := h.open()
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := thaw(int(f.Fd())); err != nil {
			return err
		}
	}
	if want.content() || want.link {
		return nil // the attributes of a layer's top directory belong to the layer
	}
	attributes, err := h.attributes()
	if err != nil {
		return err
	}
	return usualAttributes(attributes)
}
