package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"gitlab-dind-executor/hostfile"
)

// OpenVolume opens a volume's directory on this host. An archive from the engine takes ten times
// as long. The call fails if this process cannot see the directory: without root, in a container,
// or with the engine elsewhere. Containers have the volume, so nothing in it is believed.
func (e *Engine) OpenVolume(ctx context.Context, name string) (*hostfile.Dir, error) {
	if !e.Local() {
		return nil, errors.ErrUnsupported
	}
	v, err := e.Volume(ctx, name)
	if err != nil {
		return nil, e.Explain("looking at volume "+name, err)
	}
	// A volume with options is a mount of something else.
	if v.Driver != "local" || v.Mountpoint == "" || len(v.Options) > 0 {
		return nil, errors.ErrUnsupported
	}
	return hostfile.OpenForeign(v.Mountpoint)
}

// ReadHere reads files at the top of a volume, without the engine. Missing files are missing in
// the answer.
func (e *Engine) ReadHere(ctx context.Context, volume string, names ...string) (map[string][]byte, error) {
	dir, err := e.OpenVolume(ctx, volume)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	files := map[string][]byte{}
	for _, name := range names {
		content, err := dir.Read(name, MaxConfigFile)
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

// WriteHere writes a file at the top of a volume, without the engine.
func (e *Engine) WriteHere(ctx context.Context, volume, name string, content []byte, mode fs.FileMode) error {
	dir, err := e.OpenVolume(ctx, volume)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(name, content, mode)
}
