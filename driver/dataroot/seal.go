package dataroot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is the directory of this program in a seed, unknown to docker daemons.
const Dir = ".gitlab-dind-executor"

// sumFile has the checksum over a whole seed.
const sumFile = "sum"

// stores are the image stores in a data root: those of dockerd, by storage driver, and
// containerd's. All other entries are a daemon's private ones.
var stores = []string{"aufs", "btrfs", "containerd", "devicemapper", "fuse-overlayfs", "image", "overlay", "overlay2", "vfs", "zfs"}

// Seal writes a checksum into a seed, by which Copy recognises a damaged seed. The whole seed is
// on disk when Seal returns.
func Seal(root string) error {
	d, err := openRoot(root)
	if err != nil {
		return err
	}
	defer d.close()
	sum := sha256.New()
	if err := walk(d, stores, func(e entry) error { return e.sum(sum) }); err != nil {
		return err
	}
	own, err := d.enter(Dir)
	if err != nil {
		return fmt.Errorf("%s: %w", Dir, err)
	}
	defer own.close()
	if err := own.write(sumFile, hex.EncodeToString(sum.Sum(nil))+"\n"); err != nil {
		return err
	}
	return unix.Syncfs(d.fd)
}

// write makes a new file of this program, and replaces any entry of the name.
func (d *dir) write(name, text string) error {
	tmp := randomName()
	f, err := d.create(tmp)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = unix.Renameat(d.fd, tmp, d.fd, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", d.show(name), err), unix.Unlinkat(d.fd, tmp, 0))
	}
	return nil
}

// sum adds an entry's metadata to a checksum. The content counts only for files by which daemons
// find layers: the content of layers would take as long as the copy.
func (e entry) sum(h hash.Hash) error {
	size := e.size()
	if !e.isRegular() {
		size = 0
	}
	fmt.Fprintf(h, "%q %o %d %d %d:%d %d %q\n", e.path, e.Mode, e.Uid, e.Gid, e.Rdev_major, e.Rdev_minor, size, e.link)
	if !e.isRegular() || !e.tells() {
		return nil
	}
	f, err := e.open()
	if err != nil {
		return fmt.Errorf("%s: %w", shown(e.path), err)
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	return err
}

// tells tells whether daemons find layers by a file.
func (e entry) tells() bool {
	parts := strings.Split(e.path, "/")
	return parts[0] == "image" ||
		len(parts) == 3 && (parts[2] == "link" || parts[2] == "lower") ||
		parts[0] == "containerd" && slices.Contains([]string{"meta.db", "metadata.db"}, parts[len(parts)-1]) && len(parts) <= 4
}
