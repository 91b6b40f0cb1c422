package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// oldestAPI is that of the oldest engine that the tests have seen, OldestEngine.
const (
	oldestAPI    = "1.41"
	OldestEngine = "20.10"
)

// Engine is what the engine tells of itself.
type Engine struct {
	Version, StorageDriver, CgroupVersion, CgroupDriver string
	// Address is where it was asked.
	Address string
	// TooOld says that it is older than OldestEngine.
	TooOld bool
	// OS is linux, or windows.
	OS string
	// Rootless says that the engine itself runs without root, Remapped that it
	// gives containers a user namespace.
	Rootless, Remapped bool
	Runtimes           []string
	// RuntimeArguments are those of runtimes for which the engine tells them.
	RuntimeArguments map[string][]string
	CPUs             int
	// Memory is in bytes.
	Memory int64
	// DataRoot is where it keeps its data.
	DataRoot string
	// Ahead is how far its clock is ahead of ours, give or take Doubt; both are
	// 0 if it does not tell.
	Ahead, Doubt time.Duration
}

// Engine asks it.
func (d *Driver) Engine(ctx context.Context) (Engine, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return Engine{}, err
	}
	version, err := d.eng.Version(ctx)
	if err != nil {
		return Engine{}, d.eng.Explain("asking the engine", err)
	}
	asked := time.Now()
	info, err := d.eng.Info(ctx)
	if err != nil {
		return Engine{}, d.eng.Explain("asking the engine", err)
	}
	e := Engine{
		Version: version.Version, StorageDriver: info.StorageDriver, CgroupVersion: info.CgroupVersion, CgroupDriver: info.CgroupDriver,
		Address: d.eng.Address(), OS: version.OS, TooOld: version.OlderThan(oldestAPI),
		Rootless: info.Rootless, Remapped: info.Remapped, Runtimes: info.Runtimes, RuntimeArguments: info.RuntimeArguments,
		CPUs: info.CPUs, Memory: info.Memory, DataRoot: info.DataRoot,
	}
	if there := info.Clock; !there.IsZero() {
		// It looked at its clock at some moment between question and answer.
		e.Doubt = time.Since(asked) / 2
		e.Ahead = there.Sub(asked.Add(e.Doubt))
	}
	return e, nil
}

// Local tells whether the engine is on this host, as far as its address tells.
func (d *Driver) Local() bool { return d.eng.Local() }

// Room looks at what this host has left, dataRoot being where a local engine
// keeps its data.
func (d *Driver) Room(dataRoot string) plan.Free { return d.free(dataRoot) }

// HasImage tells whether the engine has an image.
func (d *Driver) HasImage(ctx context.Context, name string) (bool, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return false, err
	}
	_, err := d.eng.Image(ctx, plan.ImageRef{Name: name})
	if engine.Gone(err) {
		return false, nil
	}
	return err == nil, d.eng.Explain("looking for image "+name, err)
}

// AskRegistry lets the engine ask an image's registry for it, and fetches
// nothing. Its errors are those of a pull; past ctx's deadline the registry has
// said nothing.
func (d *Driver) AskRegistry(ctx context.Context, ref plan.ImageRef) error {
	if err := d.eng.Greet(ctx); err != nil {
		return err
	}
	_, err := d.eng.AskRegistry(ctx, ref.Name, ref.Auth)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(fmt.Errorf("pulling image %s: its registry does not answer: %w", ref.Name, context.DeadlineExceeded), images.NoRegistry)
	case err != nil:
		return (&images.Set{Store: d.images}).ExplainPull(ref, err)
	}
	return nil
}

// EnsureImage returns when the engine has an image, as a job would get it.
func (d *Driver) EnsureImage(ctx context.Context, p *plan.Plan, ref plan.ImageRef) error {
	_, err := d.image(ctx, p, ref)
	return err
}

func (d *Driver) image(ctx context.Context, p *plan.Plan, ref plan.ImageRef) (engine.Image, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return engine.Image{}, err
	}
	im := &images.Set{Store: d.images, Timeout: p.PullTimeout, Attempts: p.PullAttempts, Say: func(string) {}}
	return im.Ensure(ctx, ref)
}
