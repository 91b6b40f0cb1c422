package try

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

// folder is the place for the artifacts of jobs, with a folder for each job. The zero value
// takes none.
type folder struct {
	path string
	root *os.Root
	// faults are the errors so far.
	faults []error
}

// open makes the folder, or takes an empty folder.
func (f *folder) open(path string) error {
	if path == "" {
		return nil
	}
	const how = "name a folder that is empty or not there yet"
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fault.System(fmt.Errorf("--artifacts: %w", err), how)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return fault.System(fmt.Errorf("--artifacts: %w", err), how)
	}
	if entries, err := fs.ReadDir(root.FS(), "."); err != nil || len(entries) > 0 {
		return errors.Join(fault.System(fmt.Errorf("--artifacts: %s is not empty", path), how), err, root.Close())
	}
	f.path, f.root = path, root
	return nil
}

// close returns the errors so far.
func (f *folder) close() error {
	if f.root == nil {
		return nil
	}
	return errors.Join(append(f.faults, f.root.Close())...)
}

// take unpacks a job's artifacts, and reports their place.
func (f *folder) take(ctx context.Context, from *forge.Server, job int64, name string, say, warn func(string)) {
	if f.root == nil || !from.Has(job) {
		return
	}
	dir, left, err := f.unpack(ctx, from, job, name)
	if err != nil {
		err = fmt.Errorf("the artifacts of %s: %w", name, err)
		warn(fault.Line(err))
		f.faults = append(f.faults, err)
		return
	}
	say("artifacts of " + name + " are in " + filepath.Join(f.path, dir))
	if left > 0 {
		warn(fmt.Sprintf("%s: %d of its artifacts are no plain files and were left out", name, left))
	}
}

func (f *folder) unpack(ctx context.Context, from *forge.Server, job int64, name string) (dir string, left int, err error) {
	base := folderOf(name)
	dir = base
	for n := 2; ; n++ {
		if err = f.root.Mkdir(dir, 0o755); !errors.Is(err, fs.ErrExist) {
			break
		}
		dir = base + "-" + strconv.Itoa(n)
	}
	if err != nil {
		return dir, 0, err
	}
	to, err := f.root.OpenRoot(dir)
	if err != nil {
		return dir, 0, err
	}
	left, err = from.Unpack(ctx, job, to)
	return dir, left, errors.Join(err, to.Close())
}

// notInFolder matches characters that a folder's name must not have.
var notInFolder = pattern.New(`[^\pL\pN._]+`)

// maxFolder bounds a folder's name, in bytes, below the bound of file systems.
const maxFolder = 200

// folderOf turns a job's name into a folder's name.
func folderOf(job string) string {
	name := strings.Trim(notInFolder.ReplaceAllString(job, "-"), "-.")
	if len(name) > maxFolder {
		name = strings.ToValidUTF8(name[:maxFolder], "")
	}
	if name == "" {
		return "job"
	}
	return name
}
