package dataroot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/group"
)

// part begins the name of the directory where a copy is until it is whole.
const part = Dir + ".part"

// workers copy contents side by side: most files are small.
const workers = 8

// ErrDamaged says that a seed is not what was sealed.
var ErrDamaged = errors.New("the seed is damaged")

// Copy copies the seed to a data root, all of it or nothing: what is there when
// it returns an error is what was there before.
func Copy(ctx context.Context, seed, to string) error {
	from, err := openRoot(seed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer from.close()
	want, err := sealOf(from)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fill(ctx, to, stores, func(tmp *dir) error {
		got, err := copyTo(ctx, from, tmp)
		if err == nil && got != want {
			err = ErrDamaged
		}
		return err
	})
}

// fill lets create fill a directory that no daemon looks into, and moves all of it to
// where one does. What is there when it returns an error is what was there before.
func fill(ctx context.Context, to string, tops []string, create func(tmp *dir) error) (err error) {
	root, err := openRoot(to)
	if err != nil {
		return err
	}
	defer root.close()
	removal := remover{ctx: context.WithoutCancel(ctx), limit: DefaultLimits().Removed}
	if err := removal.parts(root); err != nil {
		return err
	}
	name := part + strings.TrimPrefix(randomName(), Dir)
	tmp, err := root.mkdir(name)
	if err != nil {
		return err
	}
	defer func() {
		tmp.close()
		err = errors.Join(err, removal.all(root, name))
	}()
	tmp.at = ""
	if err := create(tmp); err != nil {
		return err
	}
	return publish(tmp, root, tops)
}

// sealOf reads what Seal has noted.
func sealOf(seed *dir) (string, error) {
	own, err := seed.enter(Dir)
	if err != nil {
		return "", err
	}
	defer own.close()
	h, err := own.look(sumFile)
	if err != nil {
		return "", err
	}
	defer h.close()
	text, err := h.read(maxNote)
	return strings.TrimSpace(text), err
}

// parts removes what killed copies have left.
func (r *remover) parts(root *dir) error {
	names, err := root.names(widest)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, part) {
			if err := r.all(root, name); err != nil {
				return fmt.Errorf("removing what a copy has left: %w", err)
			}
		}
	}
	return nil
}

// copyTo copies all that counts of a seed to a new directory, and returns what
// Seal would note of it.
func copyTo(ctx context.Context, from, to *dir) (string, error) {
	sum := sha256.New()
	err := copyTops(ctx, from, to, stores, copyContent, func(e entry) error { return e.sum(sum) })
	return hex.EncodeToString(sum.Sum(nil)), err
}

// copyTops copies what some names lead to into a new directory, contents of files by
// content. look sees each entry before.
func copyTops(ctx context.Context, from, to *dir, tops []string, content contentCopier, look func(entry) error) error {
	c := copier{open: []*dir{to}, links: map[inode]string{}, content: content}
	defer c.leave(1)
	g, gctx := group.WithContext(ctx)
	g.SetLimit(workers)
	err := walk(from, tops, func(e entry) error {
		if gctx.Err() != nil {
			return context.Cause(gctx)
		}
		if err := look(e); err != nil {
			return err
		}
		return c.copy(gctx, e, g.Go)
	})
	if err := errors.Join(g.Wait(), err); err != nil {
		return err
	}
	return c.finish()
}

// naming are those in a data root that name what lies under the others.
var naming = []string{"image", "buildkit", "engine-id", ".seed"}

// publish moves a whole copy to where a daemon looks. What names the rest comes
// last, so that a daemon never misses any of it.
func publish(tmp, root *dir, tops []string) error {
	var moved []string
	for _, late := range []bool{false, true} {
		for _, top := range tops {
			if late != slices.Contains(naming, top) {
				continue
			}
			err := unix.Renameat2(tmp.fd, top, root.fd, top, unix.RENAME_NOREPLACE)
			if errors.Is(err, unix.EEXIST) && unix.Unlinkat(root.fd, top, unix.AT_REMOVEDIR) == nil { // it was empty
				err = unix.Renameat2(tmp.fd, top, root.fd, top, unix.RENAME_NOREPLACE)
			}
			if errors.Is(err, unix.ENOENT) {
				continue
			}
			if err != nil {
				for _, m := range moved {
					err = errors.Join(err, unix.Renameat2(root.fd, m, tmp.fd, m, unix.RENAME_NOREPLACE))
				}
				return fmt.Errorf("%s is in the way: %w", shown(top), err)
			}
			moved = append(moved, top)
		}
	}
	return nil
}

// contentCopier copies a file's bytes: size is how many it has.
type contentCopier func(ctx context.Context, src, dst *os.File, size int64) error

// piece is how much is copied between two looks at the context, in bytes.
const piece = 64 << 20

// copyContent lets the file system share a file's blocks, or copies the bytes.
func copyContent(ctx context.Context, src, dst *os.File, size int64) error {
	if share(src, dst, size) == nil {
		return nil
	}
	return copyBytes(ctx, src, dst, size)
}

// copyBytes copies a file's bytes by copy_file_range, which shares blocks as well
// where it can.
func copyBytes(ctx context.Context, src, dst *os.File, size int64) (err error) {
	var n int64
	for err == nil {
		if err = context.Cause(ctx); err == nil {
			var some int64
			some, err = io.CopyN(dst, src, piece)
			n += some
		}
	}
	if err == io.EOF {
		err = nil
	}
	if err == nil && n != size {
		err = ErrDamaged
	}
	return err
}
