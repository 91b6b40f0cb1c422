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
	// noteBound is what making such a mark may take.
	noteBound = 10 * time.Second
	// freeBound is what freeing one volume may take: one that takes longer does not
	// keep the others.
	freeBound = 5 * time.Minute
	// emptyBound is what the emptying itself may take.
	emptyBound = 2 * time.Minute
)

// lostLabels is why a volume is stuck that has only its name.
const lostLabels = "the engine has dropped its labels"

// StuckVolume is a volume that the engine could not remove: a file in it is
// immutable, or something is mounted in it. A mark of its own says so, for
// labels never change.
type StuckVolume struct {
	Name string `json:"name"`
	// Since is when its removal failed; zero where that is not known.
	Since time.Time `json:"since,omitzero"`
	// Reason says why, in the kernel's words.
	Reason string `json:"reason"`

	// marked says that there is a mark, and there that the volume is.
	marked, there bool
}

// stuck is the error of a removal that the content of a volume resisted.
type stuck struct{ volume, reason string }

func (s *stuck) Error() string { return "removing volume " + s.volume + ": " + s.reason }

// stuckHint is what a person can do.
const stuckHint = "gitlab-dind-executor gc tries again; docs/operations.md says what to do if that fails, too: Volumes that resist"

// AllStuck tells whether an error is of stuck volumes alone, which have marks:
// whoever meets it may go on.
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

// ButStuck is what an error says besides that volumes resist, or nil: FreeStuck
// comes behind and tells of those that it cannot remove either.
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

// resists tells whether the content of a volume kept the engine from removing
// it. A volume in use, a refusal and an engine that does not answer are others.
func resists(err error) bool {
	return errdefs.IsInternal(err) && !engine.Unreachable(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// Outcome is what came of the removal of a volume.
type Outcome int

const (
	notRemoved Outcome = iota
	WasRemoved
	WasAbsent
	// StillUsed says that a container has it.
	StillUsed
)

// DropVolume removes a volume unless a container has it. It never forces that: a
// forced removal that fails makes the engine forget whose the volume is. One that
// resists gets a mark.
func (r *Remover) DropVolume(ctx context.Context, name string) (Outcome, error) {
	if r.mountedIn(name) { // the engine would remove what is mounted there
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

// noteStuck makes the mark of a volume that could not be removed, and returns the error that
// says so. Only the kernel's own word is kept of err: the rest has names of files.
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
		return s // it is known, or nothing can be noted
	}
	if _, err := r.eng.CreateVolume(ctx, mark, label.ForStuck(name, reason)); err == nil {
		r.noted.Add(1)
	}
	return s
}

// clean is a text of the engine's as a label holds it: one line, printable and
// short.
func clean(text string) string {
	const most = 200
	text = wary.Line(text)
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// Noted is how many volumes this connection found stuck that nobody had before.
// Whoever found some lets FreeStuck follow, behind the job.
func (r *Remover) Noted() int { return int(r.noted.Load()) }

// Stuck lists the volumes that could not be removed, and those of no sandbox that
// have lost their labels.
func (r *Remover) Stuck(ctx context.Context) ([]StuckVolume, error) {
	all, err := r.listStuck(ctx)
	return slices.DeleteFunc(all, func(s StuckVolume) bool { return !s.there }), err
}

// listStuck is Stuck with the marks of volumes that are gone.
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

// emptyVolume lets a container of ours remove all that a volume holds, and clear the
// flags that keep it. No daemon gets a cached data root meanwhile.
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

// FreeStuck removes what Stuck lists, unless dryRun: it takes away what is mounted
// in a volume, and lets a container of ours clear the flags of its files. The
// answer lists what was removed, or would be, and how many resist still; the error
// joins what keeps them. A volume that a container has is left to the next time.
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

// DropMarks removes the marks of volumes that are gone after all.
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

// freeStuck removes a volume that resists. One that resists still is an error.
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
		return notRemoved, nil // its labels were being made, or a mark is wrong
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

// isOurs tells whether a volume is one of ours, by its labels or, without any, by
// its name.
func isOurs(v engine.Volume) bool {
	_, is := engine.Lost(&v)
	return is || v.Labels[label.Role] != "" && strings.HasPrefix(v.Name, "dind-")
}
