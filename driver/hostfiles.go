package driver

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// createWith creates a container, with additional mounts, and gives it the host's files of
// its plan. Where the engine sees the same files as this process, they are read-only bind
// mounts, which cost nothing. Otherwise they are copied.
func (d *Driver) createWith(ctx context.Context, p *plan.Plan, c plan.Container, name string, labels map[string]string, img engine.Image, more ...engine.Mount) (id string, err error) {
	spec := engine.SpecOf(p, c, name, labels, img).With(more...)
	if c.DataFile {
		if spec, err = d.inFile(ctx, p, c, spec); err != nil {
			return "", err
		}
	}
	if len(c.HostFiles) == 0 {
		return d.eng.Create(ctx, spec)
	}
	for _, f := range c.HostFiles {
		if info, err := os.Stat(f.Source); err != nil || !info.Mode().IsRegular() {
			return "", fault.System(fmt.Errorf("the %s's file %s: %w", c.Role, f.Source, orIrregular(err)),
				"helper.runner_binary in the settings must name a file that the Runner's user can read")
		}
	}
	if d.eng.Local() { // otherwise the engine has other files
		if id, err = d.createMounted(ctx, spec, c); id != "" || err != nil {
			return id, err
		}
	}
	if id, err = d.eng.Create(ctx, spec); err != nil {
		return "", err
	}
	for _, f := range c.HostFiles {
		if err := d.putHostFile(ctx, id, f); err != nil {
			return "", err
		}
	}
	return id, nil
}

// createMounted creates a container with bind mounts of the host's files. It returns no id
// if the engine finds no file, or another file, at their paths. This is so when this
// process runs in a container with the engine's socket.
func (d *Driver) createMounted(ctx context.Context, spec engine.Spec, c plan.Container) (id string, err error) {
	id, err = d.eng.Create(ctx, spec.With(binds(c)...))
	if err != nil {
		if engine.Refused(err, engine.NoSource) {
			return "", nil
		}
		return "", err
	}
	for _, f := range c.HostFiles {
		same, err := d.sees(ctx, id, f)
		if err != nil {
			return "", err
		}
		if !same {
			return "", d.removal.Container(ctx, engine.Object{Ref: id, Name: spec.Name})
		}
	}
	return id, nil
}

// sees tells whether a container has the same file as this host, judged by size and time.
func (d *Driver) sees(ctx context.Context, id string, f plan.HostFile) (bool, error) {
	here, err := os.Stat(f.Source)
	if err != nil {
		return false, fmt.Errorf("looking at a file of this host: %w", err)
	}
	there, err := d.eng.Stat(ctx, id, f.Target)
	if err != nil {
		return false, d.eng.Explain("looking at "+f.Target+" of a container", err)
	}
	return there.Size == here.Size() && there.Modified.Equal(here.ModTime()), nil
}

func orIrregular(err error) error {
	if err == nil {
		return errors.New("no regular file")
	}
	return err
}

func binds(c plan.Container) []engine.Mount {
	var list []engine.Mount
	for _, f := range c.HostFiles {
		list = append(list, engine.Mount{File: f.Source, Target: f.Target, ReadOnly: true})
	}
	return list
}

// putHostFile copies a file of this host into a container, with an executable mode. The
// container need not run. The file is streamed, not read into memory as a whole.
func (d *Driver) putHostFile(ctx context.Context, id string, f plan.HostFile) error {
	src, err := hostfile.OpenNamed(f.Source)
	if err != nil {
		return fmt.Errorf("copying a file into a container: %w", err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return fmt.Errorf("copying a file into a container: %w", err)
	}
	r, w := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		t := tar.NewWriter(w)
		err := headers(t, f.Target, info.Size())
		if err == nil {
			_, err = io.CopyN(t, src, info.Size())
		}
		if err == nil {
			err = t.Close()
		}
		w.CloseWithError(err)
	}()
	err = d.eng.CopyTo(ctx, id, "/", r, false)
	r.Close()
	<-packed // src is read no more
	return d.eng.Explain("copying "+f.Source+" into a container", err)
}

// headers writes the tar headers of a file's directories and of the file.
func headers(t *tar.Writer, target string, size int64) error {
	for _, dir := range engine.Parents(target) {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755}); err != nil {
			return err
		}
	}
	return t.WriteHeader(&tar.Header{Name: target[1:], Mode: 0o755, Size: size})
}
