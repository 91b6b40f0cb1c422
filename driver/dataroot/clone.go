package dataroot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrNotShared is returned when the file system cannot share blocks between files, or not for
// this data root.
var ErrNotShared = errors.New("the file system does not share blocks")

// errTooMuch is returned for a data root with more entries than a clone may have.
var errTooMuch = errors.New("it has too many entries to clone")

// Clone fills a second data root with the layers and build cache of a first, all or nothing.
// After an error the second is unchanged. No block is copied: both share blocks until a daemon
// writes to one of them. Both data roots must be cleared, and nobody may write to either
// meanwhile.
func Clone(ctx context.Context, from, to string, limits Limits) error {
	return clone(ctx, from, to, limits, shareContent)
}

func clone(ctx context.Context, from, to string, limits Limits, content contentCopier) error {
	source, err := openRoot(from)
	if err != nil {
		return err
	}
	defer source.close()
	tops := slices.Sorted(maps.Keys(named[areaRoot]))
	if h, err := source.look("btrfs"); err == nil {
		h.close()
		return fmt.Errorf("%w: its layers are subvolumes", ErrNotShared)
	}
	return fill(ctx, to, tops, func(tmp *dir) error {
		entries := 0
		return copyTops(ctx, source, tmp, tops, content, func(entry) error {
			if entries++; entries > limits.Stay {
				return errTooMuch
			}
			return nil
		})
	})
}

// shareContent makes dst share all blocks of src. If the file system cannot, the error is
// ErrNotShared.
func shareContent(ctx context.Context, src, dst *os.File, size int64) error {
	err := share(src, dst, size)
	switch {
	case err == nil || errors.Is(err, ErrDamaged):
		return err
	case errors.Is(err, unix.EXDEV):
		// Before Linux 5.18 FICLONE refuses two mounts of one file system, such as those of two
		// volumes. copy_file_range shares blocks there, too.
		return copyBytes(ctx, src, dst, size)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: %w", ErrNotShared, err)
	}
	return err
}

// share calls FICLONE, which gives the blocks of src to the empty file dst.
func share(src, dst *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	if err := unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())); err != nil {
		return err
	}
	var got unix.Stat_t
	if err := unix.Fstat(int(dst.Fd()), &got); err != nil {
		return err
	}
	if got.Size != size {
		return ErrDamaged
	}
	return nil
}
