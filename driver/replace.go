package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// maxSidecarFiles limits the files copied from a sidecar to its successor, in bytes.
const maxSidecarFiles = 8 << 20

// withoutDamaged handles a failed boot on the data of earlier jobs. err is the boot's
// error; without an error, ready is returned as it is. After a failed boot the job gets a
// new sidecar with an empty data root, and wait waits for its daemon. Nothing boots twice
// on a data root: hostile data there may already have changed the sidecar.
func (d *Driver) withoutDamaged(ctx context.Context, sandbox, sidecar string, err error, ready Ready, say func(string), wait func(ctx context.Context, sidecar string) (Ready, error)) (Ready, error) {
	var broken *boot.Broken
	if err == nil || !errors.As(err, &broken) || ctx.Err() != nil {
		return ready, err
	}
	say("the layers of earlier jobs are damaged and thrown away (the docker daemon " + broken.Brief + "); going on without")
	id, err := d.replaceSidecar(ctx, sandbox, sidecar)
	if err != nil {
		return Ready{}, err
	}
	return wait(ctx, id)
}

// replaceSidecar replaces a sidecar whose cached data root is damaged. The new sidecar is
// the same, except for a new data root that goes with the sandbox. The damaged data root is
// marked before its lease ends, and a sweep removes it.
func (d *Driver) replaceSidecar(ctx context.Context, sandbox, sidecar string) (id string, err error) {
	ctx, cancel := d.eng.Uncut(ctx)
	defer cancel()
	old, err := d.eng.Container(ctx, sidecar)
	if err != nil {
		return "", d.eng.Explain("looking at the sidecar", err)
	}
	if err := d.end(ctx, old.ID); err != nil {
		return "", err
	}
	var files [][]byte
	for _, dir := range strings.Fields(old.Labels[label.Files]) {
		content, err := d.readDir(ctx, old.ID, dir)
		if err != nil {
			return "", err
		}
		files = append(files, content)
	}
	damaged, spec, err := replacementOf(old, sandbox)
	if err != nil {
		return "", d.eng.Explain("looking at the sidecar", err)
	}
	if damaged == "" {
		return "", fmt.Errorf("the sidecar %s has no cached data root", old.Name)
	}
	v, err := d.eng.Volume(ctx, damaged)
	if err != nil {
		return "", d.eng.Explain("looking at damaged layers", err)
	}
	if err := d.Layers.MarkState(ctx, &v, label.DataDamaged); err != nil {
		return "", err
	}
	if plan.LayersState(old.Labels[label.Layers]) == plan.LayersCopied {
		d.Layers.DiscardBase(ctx, damaged)
	}
	if err := d.removal.Container(ctx, engine.Object{Ref: old.ID, Name: old.Name}); err != nil {
		return "", err
	}
	if id, err = d.eng.Create(ctx, spec); err != nil {
		return "", err
	}
	if err := d.eng.PutFiles(ctx, id, []engine.File{{Path: plan.FilesThere, Mode: 0o644}}); err != nil {
		return "", err
	}
	for i, dir := range strings.Fields(old.Labels[label.Files]) {
		if files[i] == nil {
			continue
		}
		err := d.eng.CopyTo(ctx, id, dir[:strings.LastIndex(dir, "/")+1], bytes.NewReader(files[i]), true)
		if err != nil {
			return "", d.eng.Explain("copying files into a container", err)
		}
	}
	return id, d.eng.Explain("starting the new sidecar container", d.eng.Start(ctx, id))
}

// end kills a container and waits for its end.
func (d *Driver) end(ctx context.Context, id string) error {
	exits, errs := d.eng.Wait(ctx, id, engine.NotRunning)
	_ = d.eng.Kill(ctx, id, "KILL") // a container that has already ended is fine
	select {
	case <-exits:
		return nil
	case err := <-errs:
		return d.eng.Explain("ending the docker daemon of this job", err)
	}
}

// readDir returns a directory of a container as a tar archive, or nil if there is none. The
// content may be hostile, so nothing on this host looks into the archive.
func (d *Driver) readDir(ctx context.Context, id, dir string) ([]byte, error) {
	stream, err := d.eng.CopyFrom(ctx, id, dir)
	if engine.Gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, d.eng.Explain("reading "+dir+" of a container", err)
	}
	defer stream.Close()
	content, err := io.ReadAll(io.LimitReader(stream, maxSidecarFiles+1))
	if err == nil && len(content) > maxSidecarFiles {
		err = fmt.Errorf("more than %d bytes", maxSidecarFiles)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s of a container: %w", dir, err)
	}
	return content, nil
}

// replacementOf returns the spec of a sidecar like old, with a data root of the sandbox's
// own. damaged is the name of the cached data root in old; empty if old has none.
func replacementOf(old engine.Details, sandbox string) (damaged string, spec engine.Spec, err error) {
	labels := maps.Clone(old.Labels)
	labels[label.Layers] = string(plan.LayersDamaged)
	delete(labels, label.Data)
	spec, err = old.Successor(label.ObjectName(sandbox, plan.RoleSidecar), sandbox, labels, func(volume string) (string, map[string]string) {
		if !label.IsCachedData(volume) {
			return "", nil
		}
		damaged = volume
		own := label.InSandbox(sandbox, plan.RoleData)
		own[label.Spec] = labels[label.Spec]
		return label.ObjectName(sandbox, plan.RoleData), own
	})
	return damaged, spec, err
}
