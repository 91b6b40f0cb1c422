package removal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

const (
	// noteBound bounds the making of a mark.
	noteBound = 10 * time.Second
	// freeBound bounds the freeing of a single volume: a slow volume must not hold up the others.
	freeBound = 5 * time.Minute
	// emptyBound bounds the run that empties a volume.
	emptyBound = 2 * time.Minute
)

// lostLabels is the reason given for a stuck volume without labels.
const lostLabels = "the engine has dropped its labels"

// StuckVolume is a volume with an immutable file or a mount inside, which the engine could not
// remove. A second volume is the mark of a stuck volume, since labels never change.
type StuckVolume struct {
	Name string `json:"name"`
	// Since is the time of the failed removal; zero if unknown.
	Since time.Time `json:"since,omitzero"`
	// Reason is the cause in the kernel's words.
	Reason string `json:"reason"`

	// marked: the volume has a mark. there: the volume itself exists.
	marked, there bool
}

// stuck is the error of a removal that the content of a volume resisted.
type stuck struct{ volume, reason string }

func (s *stuck) Error() string { return "removing volume " + s.volume + ": " + s.reason }

// stuckHint says what a person can do about a stuck volume.
const stuckHint = "gitlab-dind-executor gc tries again; docs/operations.md says what to do if that fails, too: Volumes that resist"

// AllStuck tells whether an error is about stuck volumes alone. Such volumes have marks, so the
// caller may go on.
func AllStuck(err error) bool {
	if err == nil {
		return false
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(joined.Unwrap(), func(e error) bool { return !AllStuck(e) })
	}
	if inner := errors.Unwrap(err); inner != nil {
		return AllStuck(inner)
	}
	var s *stuck
	return errors.As(err, &s)
}

// ButStuck removes the errors of stuck volumes from err, and is nil if nothing is left. FreeStuck
// comes later and reports the volumes still stuck.
func ButStuck(err error) error {
	if err == nil || AllStuck(err) {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		errs = append(errs, ButStuck(e))
	}
	return errors.Join(errs...)
}

// resists tells whether the content of a volume kept the engine from removing the volume. A
// volume in use, a refusal and a silent engine are other causes.
func resists(err error) bool {
	return errdefs.IsInternal(err) && !engine.Unreachable(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// Outcome is the result of a volume's removal.
type Outcome int

const (
	notRemoved Outcome = iota
	WasRemoved
	WasAbsent
	// StillUsed: a container has the volume.
	StillUsed
)

// DropVolume removes a volume unless a container has it. DropVolume never uses force, because a
// failed removal with force makes the engine forget the volume's labels. A volume that resists
// gets a mark, and AllStuck is true for the error.
func (r *Remover) DropVolume(ctx context.Context, name string) (Outcome, error) {
	if r.mountedIn(name) { // the engine would remove the mounted files
		return notRemoved, r.noteStuck(ctx, name, errors.New("something is mounted in it"))
	}
	err := r.eng.RemoveVolume(ctx, name)
	switch {
	case err == nil:
		return WasRemoved, nil
	case engine.Gone(err):
		return WasAbsent, nil
	case errdefs.IsConflict(err):
		return StillUsed, nil
	case resists(err):
		return notRemoved, r.noteStuck(ctx, name, err)
	}
	return notRemoved, r.eng.Explain("removing volume "+name, err)
}

// noteStuck makes the mark of a stuck volume, and returns the error to report. Of err, mark and
// error keep only the kernel's own words, since the rest has file names.
func (r *Remover) noteStuck(ctx context.Context, name string, err error) error {
	text := err.Error()
	reason := clean(text[strings.LastIndex(text, ": ")+1:])
	s := fault.System(&stuck{name, reason}, stuckHint)
	if strings.HasSuffix(name, label.StuckSuffix) {
		return s
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteBound)
	defer cancel()
	mark := label.StuckName(name)
	if _, err := r.eng.Volume(ctx, mark); !engine.Gone(err) {
		return s // the mark exists already, or the engine cannot take one
	}
	if _, err := r.eng.CreateVolume(ctx, mark, label.ForStuck(name, reason)); err == nil {
		r.noted.Add(1)
	}
	return s
}

// clean makes a text of the engine fit for a label: one printable line of at most 200 bytes.
func clean(text string) string {
	const most = 200
	text = wary.Line(text)
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// Noted is the number of stuck volumes first found through this Remover. Callers start FreeStuck
// behind the job if the number is not 0.
func (r *Remover) Noted() int { return int(r.noted.Load()) }

// Stuck lists the volumes that the engine could not remove. Included are volumes without labels,
// unless their names tell a sandbox.
func (r *Remover) Stuck(ctx context.Context) ([]StuckVolume, error) {
	all, err := r.listStuck(ctx)
	return slices.DeleteFunc(all, func(s StuckVolume) bool { return !s.there }), err
}

// listStuck lists like Stuck, and includes marks whose volumes are gone.
func (r *Remover) listStuck(ctx context.Context) (all []StuckVolume, err error) {
	if err := r.eng.Greet(ctx); err != nil {
		return nil, err
	}
	list, err := r.eng.VolumesNamed(ctx, label.NamesOf(""))
	if err != nil {
		return nil, r.eng.Explain("looking for volumes that resist", err)
	}
	for _, v := range list {
		of := v.Labels[label.Of]
		if plan.Role(v.Labels[label.Role]) != plan.RoleStuck || v.Name != label.StuckName(of) {
			continue
		}
		since, _ := time.Parse(time.RFC3339, v.Labels[label.Created])
		all = append(all, StuckVolume{Name: of, Since: since, Reason: v.Labels[label.Reason], marked: true, there: slices.ContainsFunc(list, func(v *engine.Volume) bool { return v.Name == of })})
	}
	for _, v := range list {
		n, is := engine.Lost(v)
		known := slices.ContainsFunc(all, func(s StuckVolume) bool { return s.Name == v.Name })
		if is && n.Sandbox == "" && !known {
			all = append(all, StuckVolume{Name: v.Name, Reason: lostLabels, there: true})
		}
	}
	slices.SortFunc(all, func(a, b StuckVolume) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// emptyVolume removes all files of a volume in a container, flags against removal included. For a
// cached data root the container takes the lease's name, so no daemon gets the data root
// meanwhile.
func (r *Remover) emptyVolume(ctx context.Context, v engine.Volume) error {
	name := v.Name + "-empty"
	if label.IsCachedData(v.Name) {
		name = label.LeaseName(v.Name)
	}
	exit, err := r.RunProgram(ctx, Program{Name: name, Command: plan.EmptyCommand, Volume: v.Name, VolumeLabels: v.Labels, Bound: emptyBound, Labels: map[string]string{label.Of: v.Name}})
	switch {
	case err != nil:
		return err
	case exit.Code != 0:
		return fmt.Errorf("the program that empties it ended with code %d%s", exit.Code, clean(exit.Said))
	}
	return nil
}

// FreeStuck removes the volumes listed by Stuck. First go the mounts inside a volume, and a
// container clears the flags of its files. With dryRun nothing changes. freed lists the volumes
// removed, or to be removed. failed counts the volumes still stuck, and err joins the reasons.
// Volumes in use wait for the next call.
func (r *Remover) FreeStuck(ctx context.Context, dryRun bool) (freed []StuckVolume, failed int, err error) {
	ctx, end := span.Begin(ctx, "volumes that resist")
	defer end()
	all, err := r.listStuck(ctx)
	if err != nil {
		return nil, 0, err
	}
	var errs []error
	for _, s := range all {
		if !s.there {
			continue
		}
		if !dryRun {
			done, err := r.freeStuck(ctx, s)
			if err != nil {
				errs = append(errs, err)
				failed++
			}
			if done != WasRemoved {
				continue
			}
		}
		freed = append(freed, s)
	}
	if !dryRun {
		errs = append(errs, r.DropMarks(ctx))
	}
	return freed, failed, errors.Join(errs...)
}

// DropMarks removes marks whose volumes are gone.
func (r *Remover) DropMarks(ctx context.Context) error {
	all, err := r.listStuck(ctx)
	errs := []error{err}
	for _, s := range all {
		if !s.there {
			_, err := r.DropVolume(ctx, label.StuckName(s.Name))
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// freeStuck removes a stuck volume. If the volume still resists, an error says why.
func (r *Remover) freeStuck(ctx context.Context, s StuckVolume) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, freeBound)
	defer cancel()
	v, err := r.eng.Volume(ctx, s.Name)
	switch {
	case engine.Gone(err):
		return WasAbsent, nil
	case err != nil:
		return notRemoved, r.eng.Explain("looking at volume "+s.Name, err)
	case !isOurs(v):
		return notRemoved, nil // its labels were just being made, or the mark is wrong
	}
	end, err := r.DropVolume(ctx, v.Name)
	if !AllStuck(err) {
		return end, err
	}
	failed := errors.Join(r.unmountIn(v), r.emptyVolume(ctx, v))
	if end, again := r.DropVolume(ctx, v.Name); !AllStuck(again) {
		return end, again
	}
	if failed != nil {
		err = fmt.Errorf("%w; emptying it: %w", err, failed)
	}
	return notRemoved, fault.System(err, stuckHint)
}

// isOurs tells whether a volume is this program's, by its labels or, for a volume without labels,
// by its name.
func isOurs(v engine.Volume) bool {
	_, is := engine.Lost(&v)
	return is || v.Labels[label.Role] != "" && strings.HasPrefix(v.Name, "dind-")
}
