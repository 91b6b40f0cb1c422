package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// openVolume opens a volume's directory on this host, which takes the engine a
// tenth of the time of an archive. It is an error where this process cannot
// see it: without root, in a container, or with the engine elsewhere. What is
// reached through it stays in the volume, whatever links are there.
func (d *Driver) openVolume(ctx context.Context, name string) (*os.Root, error) {
	if !strings.HasPrefix(d.host, "unix://") {
		return nil, errors.ErrUnsupported
	}
	v, err := d.api.VolumeInspect(ctx, name)
	if err != nil {
		return nil, d.explain("looking at volume "+name, err)
	}
	if v.Driver != "local" || v.Mountpoint == "" {
		return nil, errors.ErrUnsupported
	}
	return os.OpenRoot(v.Mountpoint)
}

// readHere reads the regular files at the top of a volume, without asking the
// engine for them.
func (d *Driver) readHere(ctx context.Context, volume string) (map[string][]byte, error) {
	root, err := d.openVolume(ctx, volume)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("reading volume %s: %w", volume, err)
	}
	files := map[string][]byte{}
	for _, e := range entries[:min(len(entries), maxFiles)] {
		if !e.Type().IsRegular() {
			continue
		}
		if files[e.Name()], err = readSmall(root, e.Name()); err != nil {
			return nil, fmt.Errorf("reading volume %s: %w", volume, err)
		}
	}
	return files, nil
}

// readSmall reads a small file, and never waits for one.
func readSmall(root *os.Root, name string) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxConfigFile))
}

// writeHere writes files into a volume that containers have at a path, or one
// directory deeper, without asking the engine for it. A directory that is missing
// is made with mode 0755.
func (d *Driver) writeHere(ctx context.Context, volume, at string, files []file) error {
	if len(files) == 0 {
		return nil
	}
	root, err := d.openVolume(ctx, volume)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range files {
		name, err := filepath.Rel(at, f.path)
		if err != nil {
			return err
		}
		if err := makeDir(root, path.Dir(name)); err != nil {
			return err
		}
		if err := writeSmall(root, name, f); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a directory that is missing, whatever this process's umask.
func makeDir(root *os.Root, name string) error {
	err := root.Mkdir(name, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, root.Chmod(name, 0o755))
}

// writeSmall writes a file, and never waits for who reads it.
func writeSmall(root *os.Root, name string, from file) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, fs.FileMode(from.mode))
	if err != nil {
		return err
	}
	_, err = f.Write(from.content)
	return errors.Join(err, f.Chmod(fs.FileMode(from.mode)), f.Close())
}
