package driver

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"strconv"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
)

// programRepository names the images that hold nothing but this program. The
// domain never resolves (RFC 6761), so no registry can put another image there.
const programRepository = "gitlab-dind-executor.invalid/program"

// programPath is the program in its image, and programVolume is where the volume
// lies that it works on.
const (
	programPath   = "/gitlab-dind-executor"
	programVolume = "/volume"
)

const (
	// programSlack is what engine and container may take besides the work.
	programSlack = time.Minute
	// programMemory and programPIDs bound what a hostile volume can make the
	// program use, in bytes and in threads.
	programMemory = 512 << 20
	programPIDs   = 256
	// programAge is how old the image of another version must be to be removed:
	// two versions may serve one engine side by side.
	programAge = 7 * 24 * time.Hour
)

// programRights are all that the program needs to remove what another user owns,
// flags against removal included.
var programRights = []string{"DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "CHOWN", "LINUX_IMMUTABLE"}

// programRun is one run of this program in a container of its own: without
// network, with a root directory that holds nothing else, and with one volume.
type programRun struct {
	// name is the container's. A second container of that name is refused.
	name string
	// command is a hidden command of this program. It gets the volume's path and
	// its bound in seconds as arguments.
	command string
	volume  string
	// volumeLabels are the volume's, for one that somebody removes at this moment:
	// the engine makes an empty one then.
	volumeLabels map[string]string
	// labels are those of the container, besides what every run has.
	labels map[string]string
	bound  time.Duration
	// settle is called with how the run ended, while the name is still taken; nil
	// for nothing.
	settle func(context.Context, programExit) error
}

// programExit is how a run ended: its exit code, and its last lines.
type programExit struct {
	code int
	said string
}

// errNoVolume says that somebody has removed the volume of a run.
var errNoVolume = errors.New("the volume is gone")

// runProgram runs this program on a volume and waits for its end. An error says
// that it did not run to its end, or is settle's. A conflict says that the name is
// taken, errNoVolume that there is nothing to work on.
func (d *Driver) runProgram(ctx context.Context, run programRun) (exit programExit, err error) {
	ctx, cancel := context.WithTimeout(ctx, run.bound+programSlack)
	defer cancel()
	img, err := d.programImage(ctx)
	if err != nil {
		return exit, err
	}
	owner, err := owner.This()
	if err != nil {
		return exit, err
	}
	maker := label.NewSandboxID()
	spec := run.container(img, owner, maker, time.Now())
	id, err := d.eng.Create(ctx, spec)
	if err != nil {
		return exit, err
	}
	vanished := false
	defer func() {
		ctx, cancel := d.bounds.Clearing(ctx)
		defer cancel()
		if removeErr := d.removeContainer(ctx, engine.Object{Ref: id, Name: spec.Name}); err == nil {
			err = removeErr
		}
		if vanished {
			_ = d.eng.RemoveVolume(ctx, run.volume) // else a sweep finds it
		}
	}()
	if v, err := d.eng.Volume(ctx, run.volume); err != nil {
		return exit, d.eng.Explain("looking at volume "+run.volume, err)
	} else if v.Labels[label.Maker] == maker {
		vanished = true
		return exit, fmt.Errorf("volume %s: %w", run.volume, errNoVolume)
	}
	exits, errs := d.eng.Wait(ctx, id, engine.NextExit)
	if err := d.eng.Start(ctx, id); err != nil {
		return exit, fault.System(fmt.Errorf("starting this program in a container: %w", err),
			"this program must be static, and for the engine's architecture: build it with CGO_ENABLED=0")
	}
	select {
	case e := <-exits:
		exit = programExit{e.Code, d.eng.LastLog(ctx, id)}
		if run.settle != nil {
			err = run.settle(ctx, exit)
		}
		return exit, err
	case err := <-errs:
		return exit, d.eng.Explain("waiting for this program in a container", err)
	case <-ctx.Done():
		return exit, fmt.Errorf("waiting for this program in a container: %w", ctx.Err())
	}
}

// container is what the engine needs to create the run's container. Where the
// volume is gone, the engine makes another one, which names maker.
func (run programRun) container(img string, owner owner.Process, maker string, now time.Time) engine.Spec {
	l := label.Common(plan.RoleProgram)
	l[label.Owner] = owner.String()
	l[label.Deadline] = now.Add(run.bound + programSlack).UTC().Format(time.RFC3339)
	for k, v := range run.labels {
		l[k] = v
	}
	made := maps.Clone(run.volumeLabels)
	if made == nil {
		made = label.Common(plan.RoleScratch)
	}
	made[label.Maker] = maker
	return engine.Confined{
		Name: run.name, Image: img, Labels: l,
		Entrypoint: []string{programPath}, Command: []string{run.command, programVolume, strconv.Itoa(int(run.bound.Seconds()))},
		Rights: programRights, Memory: programMemory, Threads: programPIDs,
		Volume: engine.Mount{Volume: run.volume, Target: programVolume, Labels: made, NoCopy: true},
	}.Spec()
}

// programImage returns the id of an image that holds this program alone. It makes
// the image where the engine has none.
func (d *Driver) programImage(ctx context.Context) (id string, err error) {
	program, err := os.Open(d.executable)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	defer program.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, program)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	name := programRepository + ":" + hex.EncodeToString(sum.Sum(nil))
	img, err := d.eng.ImageAs(ctx, name)
	if err == nil {
		return img.ID, nil
	}
	if !engine.Gone(err) {
		return "", d.eng.Explain("looking for the image of this program", err)
	}
	unlock, err := d.locks.Lock(ctx, "program", "making the image of this program", "wait for it to end")
	if err != nil {
		return "", err
	}
	defer unlock()
	if img, err = d.eng.ImageAs(ctx, name); err == nil {
		return img.ID, nil // another process has made it meanwhile
	}
	if _, err := program.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	if err := d.importProgram(ctx, name, program, size); err != nil {
		return "", d.eng.Explain("making the image of this program", err)
	}
	d.dropOldPrograms(ctx, name, time.Now())
	img, err = d.eng.ImageAs(ctx, name)
	return img.ID, d.eng.Explain("looking at the image of this program", err)
}

// importProgram makes an image of one file.
func (d *Driver) importProgram(ctx context.Context, name string, program io.Reader, size int64) error {
	r, w := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		t := tar.NewWriter(w)
		err := t.WriteHeader(&tar.Header{Name: programPath[1:], Mode: 0o755, Size: size})
		if err == nil {
			_, err = io.CopyN(t, program, size)
		}
		w.CloseWithError(errors.Join(err, t.Close()))
	}()
	err := d.eng.Import(ctx, name, runtime.GOOS+"/"+runtime.GOARCH, r, "LABEL "+label.Role+"="+string(plan.RoleProgram))
	r.Close()
	<-packed // program is read no more
	return err
}

// dropOldPrograms removes images of this program in other versions. One that a
// container has, or that is new, stays.
func (d *Driver) dropOldPrograms(ctx context.Context, current string, now time.Time) {
	tags, err := d.eng.Tags(ctx, programRepository)
	if err != nil {
		return // the next version tries again
	}
	for _, tag := range tags {
		if tag.Name != current && now.Sub(tag.Made) > programAge {
			_ = d.eng.RemoveImage(ctx, tag.Name) // likewise
		}
	}
}

// sweepPrograms removes containers of this program whose process has died, or
// whose time is over.
func (d *Driver) sweepPrograms(ctx context.Context, r sandbox.Rules, dryRun bool) error {
	list, err := d.eng.Containers(ctx, label.Role+"="+string(plan.RoleProgram))
	if err != nil {
		return d.eng.Explain("looking for containers of this program", err)
	}
	var errs []error
	for _, c := range list {
		if !r.ProgramOver(c.Labels) || dryRun {
			continue
		}
		errs = append(errs, d.removeContainer(ctx, engine.Object{Ref: c.ID, Name: "of this program"}))
	}
	return errors.Join(errs...)
}
