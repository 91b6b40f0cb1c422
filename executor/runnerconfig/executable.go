package runnerconfig

import (
	"debug/buildinfo"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Look examines a file named in a section. self is the path of the running program.
func Look(path, self string) Executable {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Missing
	case err != nil:
		return Unknown
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 || unix.Access(path, unix.X_OK) != nil:
		return NotExecutable
	}
	if own, err := os.Stat(self); err == nil && os.SameFile(own, info) {
		return This
	}
	if build, err := buildinfo.ReadFile(path); err == nil && build.Path == Program {
		return Copy
	}
	return Other
}
