package dataroot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// driverLayers is what is known of the layers of a storage driver.
type driverLayers struct {
	// containers are the layers of containers, which go.
	containers map[string]bool
	// there are those that stay, and overlay what those of overlay2 say of
	// themselves.
	there   map[string]bool
	overlay map[string]overlayLayer
	// noted are the layers of images, by chain id.
	noted map[string]notedLayer
}

// notedLayer is what dockerd notes of a layer: the chain that it stands on, if
// any, and the name that it has in the driver's directory.
type notedLayer struct{ parent, at string }

// overlayLayer is a layer by its short name, and those of what it lies on.
type overlayLayer struct {
	link  string
	lower []string
	// entries are what stays of it, besides its content.
	entries int
}

func (l *driverLayers) count() int { return len(l.there) }

// check tells whether each layer that dockerd knows is there. It looks at that
// itself only when a layer is used, and fails then.
func (l *driverLayers) check() error {
	for chain, n := range l.noted {
		if n.parent != "" {
			if _, ok := l.noted[n.parent]; !ok {
				return throwAway("layer %.12s lies on one that is not there", chain)
			}
		}
		if !l.there[n.at] {
			return throwAway("the files of layer %.12s are not there", chain)
		}
	}
	return nil
}

// findDrivers looks for storage drivers with images, and for layers of their
// containers.
func (c *clearing) findDrivers() error {
	images, err := c.enterIfDir(c.root, "image")
	if err != nil || images == nil {
		return err
	}
	defer images.close()
	for name := range named[areaImages] {
		d, err := c.enterIfDir(images, name)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		l := &driverLayers{containers: map[string]bool{}, there: map[string]bool{}, noted: map[string]notedLayer{}}
		err = c.findContainers(d, l)
		d.close()
		if err != nil {
			return err
		}
		c.drivers[name] = l
	}
	return nil
}

// enterIfDir opens a directory; nil if there is none.
func (c *clearing) enterIfDir(d *dir, name string) (*dir, error) {
	inner, err := d.enter(name)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil, throwAway("%s is not a directory", d.show(name))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.show(name), mounted(err))
	}
	return inner, nil
}

// findContainers reads the names of the layers of containers.
func (c *clearing) findContainers(d *dir, l *driverLayers) error {
	for _, name := range []string{"layerdb", "mounts"} {
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
	for _, name := range names {
		m, err := c.enterIfDir(d, name)
		if errors.Is(err, ErrThrowAway) || err == nil && m == nil {
			continue // it goes with all that is noted of containers
		}
		if err != nil {
			return err
		}
		for _, of := range []string{"mount-id", "init-id"} {
			id, err := c.read(m, of)
			if err != nil {
				m.close()
				return err
			}
			l.containers[id] = true // of no consequence unless it is a layer's
		}
		m.close()
	}
	return nil
}

// read reads a note; empty if there is none.
func (c *clearing) read(d *dir, name string) (string, error) {
	h, err := d.look(name)
	if errors.Is(err, unix.ENOENT) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", d.show(name), mounted(err))
	}
	defer h.close()
	if err := file(maxNote).fits(h); err != nil {
		return "", fmt.Errorf("%s: %w", d.show(name), err)
	}
	text, err := h.read(maxNote)
	if err != nil {
		return "", fmt.Errorf("%s: %w", d.show(name), err)
	}
	return text, nil
}

// siftOverlay lets layers of overlay2 and the like stay that are whole.
func (c *clearing) siftOverlay(d *dir, driver string) error {
	l := c.drivers[driver]
	l.overlay = map[string]overlayLayer{}
	names, err := c.names(d)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := context.Cause(c.ctx); err != nil {
			return err
		}
		if name == "l" {
			continue // comes last
		}
		want, ok := judge(areaOverlay, name)
		if !ok || l.containers[name] {
			if err := c.drop(d, name); err != nil {
				return err
			}
			continue
		}
		before := c.stayed
		if err := c.retain(d, name, want); err != nil {
			return err
		}
		o, whole, err := c.overlayLayer(d, name)
		if err != nil {
			return err
		}
		if !whole { // a daemon was killed as it made or removed it
			c.stayed = before
			if err := c.drop(d, name); err != nil {
				return err
			}
			continue
		}
		o.entries = c.stayed - before
		l.overlay[name] = o
	}
	linked, err := c.siftLinks(d, l)
	if err != nil {
		return err
	}
	return c.pile(d, l, linked)
}

// overlayLayer reads what a layer says of itself, and tells whether it is whole.
func (c *clearing) overlayLayer(in *dir, name string) (l overlayLayer, whole bool, err error) {
	d, err := in.enter(name)
	if err != nil {
		return l, false, fmt.Errorf("%s: %w", in.show(name), mounted(err))
	}
	defer d.close()
	h, err := d.look("diff")
	if errors.Is(err, unix.ENOENT) {
		return l, false, nil
	}
	if err != nil {
		return l, false, mounted(err)
	}
	h.close()
	if l.link, err = c.read(d, "link"); err != nil || !linkName.MatchString(l.link) {
		return l, false, err
	}
	lower, err := c.read(d, "lower")
	if err != nil {
		return l, false, err
	}
	if l.lower, err = lowers(lower); err != nil {
		return l, false, throwAway("%s lies on %w", in.show(name), err)
	}
	return l, true, nil
}

// siftLinks lets short names stay that lead to the layer which bears them. It
// returns them with those layers.
func (c *clearing) siftLinks(d *dir, l *driverLayers) (map[string]string, error) {
	linked := map[string]string{}
	links, err := c.enterIfDir(d, "l")
	if err != nil || links == nil {
		return linked, err
	}
	defer links.close()
	if err := c.check(d, "l", directory(areaLinks)); err != nil {
		return nil, fmt.Errorf("%s: %w", d.show("l"), err)
	}
	c.stayed++
	names, err := c.names(links)
	if err != nil {
		return nil, err
	}
	for _, link := range names {
		want, ok := judge(areaLinks, link)
		name := ""
		if ok {
			if err := c.check(links, link, want); err != nil {
				return nil, fmt.Errorf("%s: %w", links.show(link), err)
			}
			to, err := links.readlink(link)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", links.show(link), err)
			}
			name, ok = layerOf(to)
			ok = ok && l.overlay[name].link == link
		}
		if !ok {
			if err := c.drop(links, link); err != nil {
				return nil, err
			}
			continue
		}
		c.stayed++
		linked[link] = name
	}
	return linked, nil
}

// pile lets layers stay that have a short name, and all that they lie on.
func (c *clearing) pile(d *dir, l *driverLayers, linked map[string]string) error {
	for name, o := range l.overlay {
		if linked[o.link] != name {
			// It was about to be removed. Whoever lay on it is gone.
			if err := c.drop(d, name); err != nil {
				return err
			}
			c.stayed -= o.entries
			continue
		}
		l.there[name] = true
	}
	for name := range l.there {
		o := l.overlay[name]
		if len(o.lower) == 0 {
			continue
		}
		next, ok := linked[o.lower[0]]
		if !ok || !slices.Equal(l.overlay[next].lower, o.lower[1:]) {
			return throwAway("layer %s lies on what is not there", shown(name))
		}
	}
	return nil
}
