package driver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// OldestEngine is the oldest engine that the tests have seen, and oldestAPI its API
// version.
const (
	oldestAPI    = "1.41"
	OldestEngine = "20.10"
)

// Engine holds the answers of an engine about itself.
type Engine struct {
	Version, StorageDriver, CgroupVersion, CgroupDriver string
	// Address is the address under which the engine was asked.
	Address string
	// TooOld says that the engine is older than OldestEngine.
	TooOld bool
	// OS is linux or windows.
	OS string
	// Rootless says that the engine itself runs without root. Remapped says that containers
	// get a user namespace from the engine.
	Rootless, Remapped bool
	Runtimes           []string
	// RuntimeArguments are the arguments of runtimes. Runtimes without known arguments are
	// missing.
	RuntimeArguments map[string][]string
	CPUs             int
	// Memory is in bytes.
	Memory int64
	// DataRoot is the folder where the engine keeps its data.
	DataRoot string
	// Ahead is how far the engine's clock is ahead of ours, plus or minus Doubt. Both are 0
	// if the engine does not report its time.
	Ahead, Doubt time.Duration
}

// Engine asks the engine about itself.
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
		// The engine read its clock at some moment between question and answer.
		e.Doubt = time.Since(asked) / 2
		e.Ahead = there.Sub(asked.Add(e.Doubt))
	}
	return e, nil
}

// Place tells where this process runs, seen from the engine.
type Place struct {
	// Remote: the engine is behind a network.
	Remote bool
	// Contained: this process is in a container. Container is the name, "" for a container
	// unknown to this engine.
	Contained bool
	Container string
	// This process has the network of the engine's host, or sees the processes there, or the
	// engine's data root.
	Network, Processes, Data bool
}

// Place finds out where this process runs. dataRoot is the engine's.
func (d *Driver) Place(ctx context.Context, dataRoot string) (Place, error) {
	if !d.eng.Local() {
		return Place{Remote: true}, nil
	}
	id := host.Container(d.root)
	if id == "" {
		return Place{Network: true, Processes: true, Data: true}, nil
	}
	info, err := os.Stat(filepath.Join(d.root, dataRoot))
	p := Place{Contained: true, Data: dataRoot != "" && err == nil && info.IsDir()}
	c, err := d.eng.Container(ctx, id)
	switch {
	case engine.Gone(err):
		return p, nil
	case err != nil:
		return p, d.eng.Explain("looking for the container of this process", err)
	}
	p.Container, p.Network, p.Processes = c.Name, c.HostNetwork, c.HostProcesses
	return p, nil
}

// Local tells whether the engine is on this host, judged by its address.
func (d *Driver) Local() bool { return d.eng.Local() }

// Room returns the free room of this host. dataRoot is the folder where a local engine
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

// AskRegistry lets the engine ask an image's registry for the image, without a pull. The
// errors are those of a pull. If ctx's deadline passes, the registry has not answered.
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

// EnsureImage returns when the engine has an image, with the pull settings of a job's plan. say
// gets a line when the image is pulled.
func (d *Driver) EnsureImage(ctx context.Context, p *plan.Plan, ref plan.ImageRef, say func(string)) error {
	_, err := d.image(ctx, p, ref, say)
	return err
}

func (d *Driver) image(ctx context.Context, p *plan.Plan, ref plan.ImageRef, say func(string)) (engine.Image, error) {
	if err := d.eng.Greet(ctx); err != nil {
		return engine.Image{}, err
	}
	im := &images.Set{Store: d.images, Timeout: p.PullTimeout, Attempts: p.PullAttempts, Say: say}
	return im.Ensure(ctx, ref)
}
