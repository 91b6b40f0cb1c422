package dataroot

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// drop moves an entry into c.gone, for removal at the end.
func (c *clearing) drop(d *dir, name string) error {
	if c.gone == nil {
		c.goneName = randomName()
		var err error
		if c.gone, err = c.root.mkdir(c.goneName); errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			return c.dropInPlace(d, name)
		} else if err != nil {
			return fmt.Errorf("making room for what goes: %w", err)
		}
		// gone must take entries of any project, in the sense of disk quotas.
		if _, err := unflag(c.gone.fd, fsProjInherit); err != nil {
			return err
		}
	}
	err := d.moveTo(name, c.gone, fmt.Sprint(c.gones))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	c.gones++
	if err != nil {
		return c.dropInPlace(d, name)
	}
	return nil
}

// dropInPlace removes an entry that cannot be moved: on a full disk, or on a file system with
// bounds of its own between directories.
func (c *clearing) dropInPlace(d *dir, name string) error {
	r := c.remover()
	err := r.all(d, name)
	c.removed += r.removed
	if err != nil {
		return fmt.Errorf("removing %s: %w", d.show(name), err)
	}
	return nil
}

func (c *clearing) remover() remover {
	return remover{ctx: c.ctx, limit: c.limits.Removed - c.removed}
}

// removeGone removes all entries moved to c.gone.
func (c *clearing) removeGone() error {
	if c.gone == nil {
		return nil
	}
	r := c.remover()
	err := r.empty(c.gone)
	c.removed += r.removed
	if err != nil {
		return fmt.Errorf("removing what may not stay: %w", err)
	}
	return r.rmdir(c.root, c.goneName)
}
