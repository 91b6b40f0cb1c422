package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/versions"

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
	CPUs               int
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
	if err := d.greet(ctx); err != nil {
		return Engine{}, err
	}
	version, err := d.api.ServerVersion(ctx)
	if err != nil {
		return Engine{}, d.explain("asking the engine", err)
	}
	asked := time.Now()
	info, err := d.api.Info(ctx)
	if err != nil {
		return Engine{}, d.explain("asking the engine", err)
	}
	e := Engine{
		Version: version.Version, StorageDriver: info.Driver, CgroupVersion: info.CgroupVersion, CgroupDriver: info.CgroupDriver,
		Address: d.host, OS: version.Os, TooOld: versions.LessThan(version.APIVersion, oldestAPI),
		Rootless: slices.Contains(info.SecurityOptions, "name=rootless"), Remapped: slices.Contains(info.SecurityOptions, "name=userns"),
		CPUs: info.NCPU, Memory: info.MemTotal, DataRoot: info.DockerRootDir,
	}
	for name := range info.Runtimes {
		e.Runtimes = append(e.Runtimes, name)
	}
	slices.Sort(e.Runtimes)
	if there, err := time.Parse(time.RFC3339Nano, info.SystemTime); err == nil {
		// It looked at its clock at some moment between question and answer.
		e.Doubt = time.Since(asked) / 2
		e.Ahead = there.Sub(asked.Add(e.Doubt))
	}
	return e, nil
}

// Local tells whether the engine is on this host, as far as its address tells.
func (d *Driver) Local() bool { return d.local() }

// Room looks at what this host has left, dataRoot being where a local engine
// keeps its data.
func (d *Driver) Room(dataRoot string) plan.Free { return d.free(dataRoot) }

// HasImage tells whether the engine has an image.
func (d *Driver) HasImage(ctx context.Context, name string) (bool, error) {
	if err := d.greet(ctx); err != nil {
		return false, err
	}
	_, err := d.inspectImage(ctx, plan.ImageRef{Name: name})
	if gone(err) {
		return false, nil
	}
	return err == nil, d.explain("looking for image "+name, err)
}

// AskRegistry lets the engine ask an image's registry for it, and fetches
// nothing. Its errors are those of a pull; past ctx's deadline the registry has
// said nothing.
func (d *Driver) AskRegistry(ctx context.Context, ref plan.ImageRef) error {
	if err := d.greet(ctx); err != nil {
		return err
	}
	auth, err := encodedAuth(ref.Auth)
	if err != nil {
		return err
	}
	_, err = d.api.DistributionInspect(ctx, ref.Name, auth)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.System(fmt.Errorf("pulling image %s: its registry does not answer: %w", ref.Name, context.DeadlineExceeded), noRegistry)
	case err != nil:
		return (&images{d: d}).explainPull(ref, err)
	}
	return nil
}

// EnsureImage returns when the engine has an image, as a job would get it.
func (d *Driver) EnsureImage(ctx context.Context, p *plan.Plan, ref plan.ImageRef) error {
	_, err := d.image(ctx, p, ref)
	return err
}

func (d *Driver) image(ctx context.Context, p *plan.Plan, ref plan.ImageRef) (image.InspectResponse, error) {
	if err := d.greet(ctx); err != nil {
		return image.InspectResponse{}, err
	}
	im := &images{d: d, timeout: p.PullTimeout, attempts: p.PullAttempts, say: func(string) {}}
	return im.ensure(ctx, ref)
}

// MirrorHealth finds the mirror without making or starting one. It returns
// ErrNoMirror where there is none, else what keeps jobs from it.
func (d *Driver) MirrorHealth(ctx context.Context, m plan.Mirror) (*plan.MirrorAccess, error) {
	if err := d.greet(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mirrorFresh+mirrorPing)
	defer cancel()
	c, err := d.inspect(ctx, m.Name)
	switch {
	case gone(err):
		return nil, ErrNoMirror
	case err != nil:
		return nil, d.explain("looking at the mirror", err)
	case c.State.Paused:
		return nil, fault.System(errors.New("its container "+m.Name+" is paused"), "docker unpause "+m.Name)
	case !c.State.Running:
		return nil, fault.System(errors.New("its container "+m.Name+" does not run"),
			"the next job starts it; docker logs "+strings.TrimPrefix(c.Name, "/")+" may tell why it ended")
	}
	return d.askMirror(ctx, c)
}
