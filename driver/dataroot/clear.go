package dataroot

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Result is what became of a data root.
type Result struct {
	// Layers is how many layers of images and of the build cache it holds.
	Layers int
	// Stay is how many entries it holds besides contents of layers, and Removed how
	// many went.
	Stay, Removed int
}

// ErrThrowAway says that a data root is not what a docker daemon leaves behind, or
// that it is too much to look at. No daemon may have it.
var ErrThrowAway = errors.New("the data root is damaged: throw it away")

func throwAway(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrThrowAway, fmt.Errorf(format, a...))
}

// Clear makes a data root, which anybody may have written, a new daemon's but for
// layers and build cache. What is known to be wanted of those stays, all else goes.
// No daemon may have the data root meanwhile. It may be called again, whatever an
// earlier call has left.
//
// An error that is ErrThrowAway says that nothing of it may stay. With
// any other one nothing is known, and it must not be used either.
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

// ofHost tells whether an error says nothing about the data root, since the host is
// what is in trouble.
func ofHost(err error) bool {
	for _, e := range []error{unix.EIO, unix.EROFS, unix.ENOMEM, unix.EMFILE, unix.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// able tells what is missing here that the work needs.
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

// clearing is one call of Clear.
type clearing struct {
	ctx    context.Context
	root   *dir
	limits Limits
	// gone is where all that goes is moved first, which takes no time however much
	// it is; gones is how many entries are in it, and goneName its name.
	gone     *dir
	gones    int
	goneName string

	drivers map[string]*driverLayers
	// driver is that whose directory is looked through.
	driver *driverLayers
	// containerd says that containerd has layers, and snapshots how many.
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

// sift lets an area keep what it may hold.
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

// wants tells whether a name that may stay is of use, by what else there is.
func (c *clearing) wants(in area, name string) bool {
	switch in {
	case areaRoot:
		switch name {
		case "image":
			return len(c.drivers) > 0
		case "buildkit": // its layers are those of a storage driver or containerd's
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

// note remembers what stays of layers.
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

// names reads a directory within the bounds.
func (c *clearing) names(d *dir) ([]string, error) {
	names, err := d.names(c.limits.Stay - c.looked)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", shown(d.at), err)
	}
	c.looked += len(names)
	return names, nil
}

// retain lets an entry stay that is what its rule wants. One that is not has been
// planted: no daemon makes any such thing.
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

// check compares an entry with its rule, and takes flags from it that would keep
// daemons from their work.
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
		return nil // attributes of a layer's top are the layer's
	}
	attributes, err := h.attributes()
	if err != nil {
		return err
	}
	return usualAttributes(attributes)
}
