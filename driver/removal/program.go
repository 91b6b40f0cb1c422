package removal

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
	"slices"
	"strconv"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/fault"
)

// programRepository names the images that hold nothing but this program. The domain never
// resolves (RFC 6761), so no registry can put another image there.
const programRepository = "gitlab-dind-executor.invalid/program"

// programPath is the program's path in its image. programVolume is the mount point of the volume
// to work on.
const (
	programPath   = plan.ProgramPath
	programVolume = "/volume"
)

const (
	// programSlack is the time allowed to engine and container besides the work.
	programSlack = time.Minute
	// programMemory (bytes) and programPIDs (threads) bound the program's use of memory and
	// threads, since a hostile volume can drive both up.
	programMemory = 512 << 20
	programPIDs   = 256
	// programAge is the age at which the image of another version may be removed. Two versions
	// may serve one engine side by side.
	programAge = 7 * 24 * time.Hour
)

// programRights are the capabilities for removing another user's files, flags against removal
// included.
var programRights = []string{"DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "CHOWN", "LINUX_IMMUTABLE"}

// copyRights are the further capabilities for making files like those of another volume:
// overlayfs notes in trusted attributes, whiteouts, setuid bits and file capabilities.
var copyRights = []string{"SYS_ADMIN", "MKNOD", "FSETID", "SETFCAP"}

// Program is one run of this program in a container of its own. The container has no network, and
// its root directory holds the program alone. Mounted are the volume to work on and, optionally,
// a second volume, read-only.
type Program struct {
	// Name is the container's name. The engine refuses a second container of the same name.
	Name string
	// Command is a hidden command of this program. Its arguments are the mount point of Volume
	// and Bound in seconds.
	Command string
	Volume  string
	// VolumeLabels are the labels of Volume. The engine makes an empty volume with these labels
	// when somebody removes the real volume at this moment.
	VolumeLabels map[string]string
	// Source is the name of the volume to copy from, mounted read-only; empty for none.
	Source       string
	SourceLabels map[string]string
	// Labels are the container's labels besides those of every run.
	Labels map[string]string
	Bound  time.Duration
	// Settle is called with the result of the run, while the name is still taken. Nil means no
	// call.
	Settle func(context.Context, Exit) error
}

// Exit is the result of a run: its exit code and the last lines of its output.
type Exit struct {
	Code int
	Said string
}

// ErrNoVolume is returned when somebody has removed the volume of a run.
var ErrNoVolume = errors.New("the volume is gone")

// RunProgram runs this program on a volume and waits until the run ends. After an error the run
// did not end by itself, or run.Settle failed. A conflict error means a taken name, ErrNoVolume a
// volume gone.
func (r *Remover) RunProgram(ctx context.Context, run Program) (exit Exit, err error) {
	ctx, cancel := context.WithTimeout(ctx, run.Bound+programSlack)
	defer cancel()
	img, err := r.ProgramImage(ctx)
	if err != nil {
		return exit, err
	}
	owner, err := owner.This()
	if err != nil {
		return exit, err
	}
	maker := label.NewSandboxID()
	spec := run.spec(img, owner, maker, time.Now())
	id, err := r.eng.Create(ctx, spec.Spec())
	if err != nil {
		return exit, err
	}
	var vanished []string
	defer func() {
		ctx, cancel := r.bounds.Clearing(ctx)
		defer cancel()
		if removeErr := r.Container(ctx, engine.Object{Ref: id, Name: spec.Name}); err == nil {
			err = removeErr
		}
		for _, name := range vanished {
			_ = r.eng.RemoveVolume(ctx, name) // a sweep finds the volume if this fails
		}
	}()
	for _, m := range spec.Volumes {
		if v, err := r.eng.Volume(ctx, m.Volume); err != nil {
			return exit, r.eng.Explain("looking at volume "+m.Volume, err)
		} else if v.Labels[label.Maker] == maker {
			vanished = append(vanished, m.Volume)
		}
	}
	if vanished != nil {
		return exit, fmt.Errorf("volume %s: %w", vanished[0], ErrNoVolume)
	}
	exits, errs := r.eng.Wait(ctx, id, engine.NextExit)
	if err := r.eng.Start(ctx, id); err != nil {
		return exit, fault.System(fmt.Errorf("starting this program in a container: %w", err),
			"this program must be static, and for the engine's architecture: build it with CGO_ENABLED=0")
	}
	select {
	case e := <-exits:
		exit = Exit{e.Code, r.eng.LastLog(ctx, id)}
		if run.Settle != nil {
			err = run.Settle(ctx, exit)
		}
		return exit, err
	case err := <-errs:
		return exit, r.eng.Explain("waiting for this program in a container", err)
	case <-ctx.Done():
		return exit, fmt.Errorf("waiting for this program in a container: %w", ctx.Err())
	}
}

// spec is the run's container. If a volume is gone, the engine makes an empty volume in its
// place, labelled with maker.
func (run Program) spec(img string, owner owner.Process, maker string, now time.Time) engine.Confined {
	l := label.Common(plan.RoleProgram)
	l[label.Owner] = owner.String()
	l[label.Deadline] = now.Add(run.Bound + programSlack).UTC().Format(time.RFC3339)
	for k, v := range run.Labels {
		l[k] = v
	}
	c := engine.Confined{
		Name: run.Name, Image: img, Labels: l,
		Entrypoint: []string{programPath}, Command: []string{run.Command, programVolume, strconv.Itoa(int(run.Bound.Seconds()))},
		Rights: programRights, Memory: programMemory, Threads: programPIDs,
		Volumes: []engine.Mount{{Volume: run.Volume, Target: programVolume, Labels: madeBy(maker, run.VolumeLabels), NoCopy: true}},
	}
	if run.Source != "" {
		c.Rights = slices.Concat(programRights, copyRights)
		c.Volumes = append(c.Volumes, engine.Mount{Volume: run.Source, Target: plan.CopySource, Labels: madeBy(maker, run.SourceLabels), NoCopy: true, ReadOnly: true})
	}
	return c
}

// madeBy are the labels for volumes made by the engine while creating a run's container.
func madeBy(maker string, labels map[string]string) map[string]string {
	made := maps.Clone(labels)
	if made == nil {
		made = label.Common(plan.RoleScratch)
	}
	made[label.Maker] = maker
	return made
}

// ProgramImage returns the id of an image that holds this program alone. It makes
// the image where the engine has none.
func (r *Remover) ProgramImage(ctx context.Context) (id string, err error) {
	program, err := os.Open(r.Executable)
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
	img, err := r.eng.ImageAs(ctx, name)
	if err == nil {
		return img.ID, nil
	}
	if !engine.Gone(err) {
		return "", r.eng.Explain("looking for the image of this program", err)
	}
	unlock, err := r.locks.Lock(ctx, "program", "making the image of this program", "wait for it to end")
	if err != nil {
		return "", err
	}
	defer unlock()
	if img, err = r.eng.ImageAs(ctx, name); err == nil {
		return img.ID, nil // another process has made it meanwhile
	}
	if _, err := program.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	if err := r.importProgram(ctx, name, program, size); err != nil {
		return "", r.eng.Explain("making the image of this program", err)
	}
	r.dropOldPrograms(ctx, name, time.Now())
	img, err = r.eng.ImageAs(ctx, name)
	return img.ID, r.eng.Explain("looking at the image of this program", err)
}

// importProgram makes an image of one file.
func (r *Remover) importProgram(ctx context.Context, name string, program io.Reader, size int64) error {
	out, w := io.Pipe()
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
	err := r.eng.Import(ctx, name, runtime.GOOS+"/"+runtime.GOARCH, out, "LABEL "+label.Role+"="+string(plan.RoleProgram))
	out.Close()
	<-packed // program is read no more
	return err
}

// dropOldPrograms removes images of other versions of this program. An image used by a container,
// or younger than programAge, stays.
func (r *Remover) dropOldPrograms(ctx context.Context, current string, now time.Time) {
	tags, err := r.eng.Tags(ctx, programRepository)
	if err != nil {
		return // the next version tries again
	}
	for _, tag := range tags {
		if tag.Name != current && now.Sub(tag.Made) > programAge {
			_ = r.eng.RemoveImage(ctx, tag.Name) // the next version tries again
		}
	}
}

// SweepPrograms removes containers of this program whose process has died, or whose time is over.
func (r *Remover) SweepPrograms(ctx context.Context, rules sandbox.Rules, dryRun bool) error {
	list, err := r.eng.Containers(ctx, label.Role+"="+string(plan.RoleProgram))
	if err != nil {
		return r.eng.Explain("looking for containers of this program", err)
	}
	var errs []error
	for _, c := range list {
		if !rules.ProgramOver(c.Labels) || dryRun {
			continue
		}
		errs = append(errs, r.Container(ctx, engine.Object{Ref: c.ID, Name: "of this program"}))
	}
	return errors.Join(errs...)
}
