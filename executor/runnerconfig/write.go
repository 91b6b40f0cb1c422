package runnerconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gitlab-dind-executor/fault"
)

// Write puts a file in the place of another whose text was before, nil for one
// that is not there yet: as a whole or not at all, with the other's mode and
// owner. Whoever reads meanwhile sees one or the other.
func Write(path string, before, text []byte) error {
	if err := write(path, before, text); err != nil {
		return fault.System(fmt.Errorf("writing %s: %w", path, err),
			"run this as a user that may write there; nothing was changed")
	}
	return nil
}

func write(path string, before, text []byte) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	now, readErr := os.ReadFile(path)
	switch {
	case before == nil && readErr == nil:
		return errors.New("it is there already")
	case before == nil && !errors.Is(readErr, fs.ErrNotExist):
		return readErr
	case before != nil && readErr != nil:
		return readErr
	case before != nil && !bytes.Equal(now, before):
		return errors.New("it has changed meanwhile")
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error counts
		}
	}()
	_, err = f.Write(text)
	if before != nil && err == nil {
		err = likeness(f, path)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// likeness gives a file the mode and owner of another.
func likeness(f *os.File, of string) error {
	info, err := os.Stat(of)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(info.Mode().Perm())
}
