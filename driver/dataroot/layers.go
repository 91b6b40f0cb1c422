package dataroot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// driverLayers has the layers of one storage driver.
type driverLayers struct {
	// containers are the layers of containers, by name; they go.
	containers map[string]bool
	// there are the layers that stay. overlay has the notes of each layer of overlay2.
	there   map[string]bool
	overlay map[string]overlayLayer
	// noted are the layers of images, by chain id.
	noted map[string]notedLayer
}

// notedLayer is dockerd's note of a layer: the chain id of its parent, if any, and its name in
// the driver's directory.
type notedLayer struct{ parent, at string }

// overlayLayer has the short names of a layer and of the layers below.
type overlayLayer struct {
	link  string
	lower []string
	// entries counts the kept entries of the layer, its content excluded.
	entries int
}

func (l *driverLayers) count() int { return len(l.there) }

// check is an error if a layer known to dockerd is not there. dockerd itself would notice only at
// the use of the layer, and fail.
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

// findDrivers finds the storage drivers with images, and the layers of their containers.
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

// enterIfDir opens a directory; nil if there is none. Anything else by the name is ErrThrowAway.
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
			continue // the entry goes with all notes about containers
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
			l.containers[id] = true // an id without a layer has no effect
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

// siftOverlay keeps the whole layers of overlay2 and fuse-overlayfs, and drops the others.
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
			continue // links come last
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
		if !whole { // a daemon was killed as it made or removed the layer
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

// overlayLayer reads the notes of a layer, and tells whether the layer is whole.
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

// siftLinks keeps the short names that lead to a layer of the same short name. The answer has the
// layer for each short name.
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

// pile keeps layers that have a short name, and drops the others. If a layer below a kept one is
// missing, the error is ErrThrowAway.
func (c *clearing) pile(d *dir, l *driverLayers, linked map[string]string) error {
	for name, o := range l.overlay {
		if linked[o.link] != name {
			// A daemon was about to remove the layer. The layers on top are gone already.
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
