package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
)

// startSidecar gives the inner daemon its files and starts it. It returns when the daemon
// answers, or at once if the job need not wait.
func (prep *preparation) startSidecar(ctx context.Context, id string) (Ready, error) {
	d, s := prep.d, prep.sidecar
	if err := prep.startWithFiles(ctx, id); err != nil {
		return Ready{}, err
	}
	if !prep.waits() {
		return Ready{Booting: true}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.ReadyTimeout, boot.ErrNotReady)
	defer cancel()
	docker, err := d.boots.Wait(ctx, id, prep.p, prep.certs)
	return Ready{Docker: docker}, err
}

// startWithFiles starts the sidecar with its files. A sidecar with Stdin reads the files
// there while it starts; any other sidecar gets them before.
func (prep *preparation) startWithFiles(ctx context.Context, id string) error {
	d, start := prep.d, prep.d.start(prep.sidecar.Container)
	if !prep.sidecar.Stdin {
		files, err := prep.sidecarFiles(ctx, id)
		if err != nil {
			return err
		}
		if err := d.eng.PutFiles(ctx, id, files); err != nil {
			return err
		}
		return start(ctx, id)
	}
	stdin, err := d.eng.Attach(ctx, id, engine.Outputs{})
	if err != nil {
		return d.eng.Explain("attaching to the sidecar", err)
	}
	defer stdin.Close()
	g, ctx := group.WithContext(ctx)
	defer context.AfterFunc(ctx, func() { _ = stdin.Close() })()
	started := make(chan struct{})
	var startErr error
	g.Go(func() error {
		defer close(started)
		startErr = start(ctx, id)
		return startErr
	})
	g.Go(func() error {
		files, err := prep.sidecarFiles(ctx, id) // the sidecar reads its files before anything else
		if err != nil {
			return err
		}
		content, err := engine.Archive(files)
		if err != nil {
			return fmt.Errorf("packing files for the sidecar: %w", err)
		}
		_, err = stdin.Write(content)
		if err = errors.Join(err, stdin.CloseWrite()); err == nil {
			return nil
		}
		<-started // a sidecar that did not start takes no files; its error says why
		if err := cmp.Or(startErr, ctx.Err()); err != nil {
			return err
		}
		return d.eng.Explain("giving the sidecar its files", err)
	})
	return g.Wait()
}

// sidecarFiles returns the files that the inner daemon needs besides its image's own.
func (prep *preparation) sidecarFiles(ctx context.Context, id string) ([]engine.File, error) {
	d, s := prep.d, prep.sidecar
	daemonConfigPath := path.Join(s.ConfigDir(), "daemon.json")
	image, err := d.eng.ReadFile(ctx, id, daemonConfigPath)
	if err != nil {
		return nil, err
	}
	config, mirrored, err := s.DaemonConfigs(image)
	if err != nil {
		return nil, err
	}
	var files []engine.File
	if s.FastBoot {
		files = append(files, engine.File{Path: plan.ContainerdConfig, Mode: 0o644, Content: []byte(plan.ContainerdTOML)})
	}
	if config != nil {
		files = append(files, engine.File{Path: daemonConfigPath, Mode: 0o644, Content: config})
	}
	if mirrored != nil {
		files = append(files, engine.File{Path: plan.MirroredConfig, Mode: 0o644, Content: mirrored})
	}
	certs, err := prep.certificates(ctx)
	if err != nil {
		return nil, err
	}
	if certs != nil {
		files = append(files, certs.ServerFiles(plan.CertDir)...)
	}
	files = append(files, registryCAs(s.ConfigDir(), s.RegistryCAs)...)
	for i := range files {
		files[i].UID = s.Owner()
	}
	return files, nil
}

// fit adapts the plan's sidecar to its image and to the engine's host. The results go to
// prep.sidecar and, as warnings, to the job log.
func (prep *preparation) fit(ctx context.Context, img engine.Image) error {
	dind := plan.DindImage{ID: img.ID}
	if img.Configured {
		dind = plan.DindImage{ID: img.ID, Docker: plan.ImageVersion(img.Environment), Entrypoint: img.Entrypoint, Command: img.Command, User: img.User, Volumes: img.Volumes}
	}
	var host plan.EngineHost
	if prep.p.Sidecar.AsksHost(dind) {
		var err error
		if host, err = prep.d.engineHost(ctx); err != nil {
			return err
		}
	}
	sidecar, warnings, err := prep.p.Sidecar.Fit(dind, host)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		prep.say("warning: " + w)
	}
	prep.sidecar = sidecar.At(prep.subnet, prep.p.Network)
	if prep.bare != nil {
		prep.sidecar.Joins = prep.bare.seat
	}
	if sidecar.Relay {
		prep.sidecar.Environment = append(slices.Clone(sidecar.Environment), plan.RelayVariable+"="+plan.RelayAddress(prep.subnet).String())
	}
	return nil
}

// engineHost asks the engine about its host.
func (d *Driver) engineHost(ctx context.Context) (plan.EngineHost, error) {
	info, err := d.eng.Info(ctx)
	if err != nil {
		return plan.EngineHost{}, d.eng.Explain("asking the engine", err)
	}
	return plan.EngineHost{CgroupVersion: info.CgroupVersion, Filesystem: info.Filesystem}, nil
}
