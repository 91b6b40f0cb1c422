package runnerconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// Write replaces a file whose text was before, as a whole or not at all, with the file's
// mode and owner. nil stands for a new file, and an existing file is then a fault. A
// concurrent reader sees the old or the new text.
func Write(path string, before, text []byte) error {
	err := write(path, before, text)
	if errors.Is(err, errThere) {
		return fault.System(fmt.Errorf("writing %s: %w", path, err), "name a file that is not there yet, or take this one away; nothing was changed")
	}
	if err != nil {
		return fault.System(fmt.Errorf("writing %s: %w", path, err),
			"run this as a user that may write there; nothing was changed")
	}
	return nil
}

// errThere refuses to replace an existing file that nobody meant to replace.
var errThere = errors.New("it is there already")

func write(path string, before, text []byte) error {
	dir, base, err := hostfile.OpenAbove(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	now, readErr := dir.Read(base, maxSize)
	switch {
	case before == nil && readErr == nil:
		return errThere
	case before == nil && !errors.Is(readErr, fs.ErrNotExist):
		return readErr
	case before != nil && readErr != nil:
		return readErr
	case before != nil && !bytes.Equal(now, before):
		return errors.New("it has changed meanwhile")
	case before == nil:
		return dir.Write(base, text, 0o600)
	}
	return dir.Replace(base, text)
}
