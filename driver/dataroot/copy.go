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

// part is the beginning of the name of an unfinished copy's directory.
const part = Dir + ".part"

// workers is the number of files copied side by side, since most files are small.
const workers = 8

// ErrDamaged is returned for a seed that differs from its seal.
var ErrDamaged = errors.New("the seed is damaged")

// Copy copies a seed into a data root, all or nothing. After an error the data root is unchanged.
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

// fill lets create fill a directory outside of a daemon's view, and then moves the entries named
// in tops into place. After an error the data root is unchanged.
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

// sealOf reads the sum that Seal has written.
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

// parts removes the remains of killed copies.
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

// copyTo copies the stores of a seed into a new directory. The answer is the sum that Seal would
// write for the copy.
func copyTo(ctx context.Context, from, to *dir) (string, error) {
	sum := sha256.New()
	err := copyTops(ctx, from, to, stores, copyContent, func(e entry) error { return e.sum(sum) })
	return hex.EncodeToString(sum.Sum(nil)), err
}

// copyTops copies the entries named in tops into a new directory, and contents of files by
// content. look sees each entry first.
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

// naming are entries that refer by name to files under the other entries.
var naming = []string{"image", "buildkit", "engine-id", ".seed"}

// publish moves a whole copy into a daemon's view. The entries in naming come last, so a daemon
// never misses a file they refer to.
func publish(tmp, root *dir, tops []string) error {
	var moved []string
	for _, late := range []bool{false, true} {
		for _, top := range tops {
			if late != slices.Contains(naming, top) {
				continue
			}
			err := unix.Renameat2(tmp.fd, top, root.fd, top, unix.RENAME_NOREPLACE)
			if errors.Is(err, unix.EEXIST) && unix.Unlinkat(root.fd, top, unix.AT_REMOVEDIR) == nil { // the entry in the way was an empty directory
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

// contentCopier copies the bytes of a file of size bytes.
type contentCopier func(ctx context.Context, src, dst *os.File, size int64) error

// piece is the number of bytes copied between two looks at the context.
const piece = 64 << 20

// copyContent makes two files share blocks or, failing that, copies the bytes.
func copyContent(ctx context.Context, src, dst *os.File, size int64) error {
	if share(src, dst, size) == nil {
		return nil
	}
	return copyBytes(ctx, src, dst, size)
}

// copyBytes copies a file by copy_file_range, which shares blocks if the file system can.
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
