package driver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/hostfile"
)

// openVolume opens a volume's directory on this host, which takes the engine a
// tenth of the time of an archive. It is an error where this process cannot
// see it: without root, in a container, or with the engine elsewhere. Containers
// have the volume, so nothing in it is believed.
func (d *Driver) openVolume(ctx context.Context, name string) (*hostfile.Dir, error) {
	if !strings.HasPrefix(d.host, "unix://") {
		return nil, errors.ErrUnsupported
	}
	v, err := d.api.VolumeInspect(ctx, name)
	if err != nil {
		return nil, d.explain("looking at volume "+name, err)
	}
	// One with options is a mount of something else.
	if v.Driver != "local" || v.Mountpoint == "" || len(v.Options) > 0 {
		return nil, errors.ErrUnsupported
	}
	return hostfile.OpenForeign(v.Mountpoint)
}

// readHere reads files at the top of a volume, without asking the engine for
// them. One that is missing is missing in the answer.
func (d *Driver) readHere(ctx context.Context, volume string, names ...string) (map[string][]byte, error) {
	dir, err := d.openVolume(ctx, volume)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	files := map[string][]byte{}
	for _, name := range names {
		content, err := dir.Read(name, maxConfigFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading volume %s: %w", volume, err)
		}
		files[name] = content
	}
	return files, nil
}

// writeHere writes files into a volume that containers have at a path, or one
// directory deeper, without asking the engine for it. A directory that is missing
// is made with mode 0755.
func (d *Driver) writeHere(ctx context.Context, volume, at string, files []file) error {
	if len(files) == 0 {
		return nil
	}
	dir, err := d.openVolume(ctx, volume)
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, f := range files {
		name, err := filepath.Rel(at, f.path)
		if err != nil {
			return err
		}
		if above := path.Dir(name); above != "." {
			if err := dir.MakeDir(above, 0o755); err != nil {
				return err
			}
		}
		if err := dir.Write(name, f.content, fs.FileMode(f.mode)); err != nil {
			return err
		}
	}
	return nil
}
