package dataroot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is the directory of a seed that is ours, and no docker daemon's.
const Dir = ".gitlab-dind-executor"

// sumFile says what a whole seed looks like.
const sumFile = "sum"

// kept are what a daemon's data root holds of images: stores of dockerd, by
// storage driver, and of containerd. All else is the daemon's own.
var kept = []string{"aufs", "btrfs", "containerd", "devicemapper", "fuse-overlayfs", "image", "overlay", "overlay2", "vfs", "zfs"}

// Seal notes what a seed holds, so that Copy can tell one that is damaged. All
// of it is on disk when Seal returns.
func Seal(root string) error {
	sum := sha256.New()
	if err := walk(root, func(e entry) error { return e.sum(sum) }); err != nil {
		return err
	}
	dir, err := os.Open(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := os.WriteFile(filepath.Join(root, Dir, sumFile), []byte(hex.EncodeToString(sum.Sum(nil))+"\n"), 0o600); err != nil {
		return err
	}
	return unix.Syncfs(int(dir.Fd()))
}

// entry is a file of whatever kind.
type entry struct {
	root, path string // path is below root
	info       fs.FileInfo
	stat       *syscall.Stat_t
	link       string // a symbolic link's
}

func (e entry) from() string { return filepath.Join(e.root, e.path) }

// walk visits what is kept of a data root: directories before what is in them,
// all in the same order each time.
func walk(root string, visit func(entry) error) error {
	if _, err := os.Lstat(root); err != nil {
		return err
	}
	for _, top := range kept {
		if _, err := os.Lstat(filepath.Join(root, top)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := walkFrom(root, top, visit); err != nil {
			return err
		}
	}
	return nil
}

func walkFrom(root, path string, visit func(entry) error) error {
	e := entry{root: root, path: path}
	var err error
	if e.info, err = os.Lstat(e.from()); err != nil {
		return err
	}
	var ok bool
	if e.stat, ok = e.info.Sys().(*syscall.Stat_t); !ok {
		return fmt.Errorf("%s: its owner is not known", path)
	}
	if e.info.Mode()&fs.ModeSymlink != 0 {
		if e.link, err = os.Readlink(e.from()); err != nil {
			return err
		}
	}
	if err := visit(e); err != nil {
		return err
	}
	if !e.info.IsDir() {
		return nil
	}
	names, err := os.ReadDir(e.from()) // sorted
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := walkFrom(root, filepath.Join(path, n.Name()), visit); err != nil {
			return err
		}
	}
	return nil
}

// sum adds what an entry looks like: of what daemons say of images the content,
// too. That of layers would take as long as the copy.
func (e entry) sum(h hash.Hash) error {
	size := e.info.Size()
	if !e.info.Mode().IsRegular() {
		size = 0
	}
	fmt.Fprintf(h, "%q %v %d %d %d %d %q\n", e.path, e.info.Mode(), e.stat.Uid, e.stat.Gid, e.stat.Rdev, size, e.link)
	if !e.info.Mode().IsRegular() || !e.tells() {
		return nil
	}
	f, err := os.OpenFile(e.from(), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(h, f)
	return err
}

// tells tells whether a file is one by which a daemon finds layers.
func (e entry) tells() bool {
	parts := strings.Split(e.path, "/")
	return parts[0] == "image" ||
		len(parts) == 3 && (parts[2] == "link" || parts[2] == "lower") ||
		parts[0] == "containerd" && slices.Contains([]string{"meta.db", "metadata.db"}, parts[len(parts)-1]) && len(parts) <= 4
}
