package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/wary"
)

// measureBound bounds the measuring of a mirror's storage.
const measureBound = 10 * time.Second

// mirrorStorageAge is the age at which a mirror's volume without a container may be removed. A
// container under way may be about to take a younger volume.
const mirrorStorageAge = time.Hour

// State is a mirror on the engine.
type State struct {
	Name, Remote string
	// State is the engine's word: running, paused, exited.
	State string
	// Address is host:port; empty if the mirror does not listen.
	Address string
	// Size is the size of the mirror's storage in bytes; -1 if unknown.
	Size int64
	// Jobs is the number of sandboxes that use the mirror.
	Jobs int

	id      string
	volumes []string
}

// Mirrors lists all mirrors on the engine, of any settings.
func (k *Keeper) Mirrors(ctx context.Context) ([]State, error) {
	if err := k.eng.Greet(ctx); err != nil {
		return nil, err
	}
	var found, users []engine.Container
	g, gctx := group.WithContext(ctx)
	g.Go(func() (err error) {
		found, err = k.eng.Containers(gctx, label.Role+"="+string(plan.RoleMirror))
		return err
	})
	g.Go(func() (err error) {
		users, err = k.eng.Containers(gctx) // sandboxes of other installations count, too
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, k.eng.Explain("listing mirrors", err)
	}
	var states []State
	for _, c := range found {
		if c.Name == "" || len(c.ID) < 12 {
			continue // it is being removed
		}
		s := State{Name: c.Name, Remote: c.Labels[label.Remote], State: c.State, Address: c.Address, Size: -1, id: c.ID, volumes: c.Volumes}
		for _, u := range users {
			if u.Labels[label.Mirror] == c.ID[:12] {
				s.Jobs++
			}
		}
		states = append(states, s)
	}
	slices.SortFunc(states, func(a, b State) int { return strings.Compare(a.Name, b.Name) })
	return states, nil
}

// Measure runs du in a running mirror and sets Size, in bytes. Size stays -1 on failure.
func (k *Keeper) Measure(ctx context.Context, m *State) {
	if m.State != engine.Running {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureBound)
	defer cancel()
	out := wary.Buffer{Most: engine.MaxPrinted}
	code, err := k.eng.Run(ctx, m.id, []string{"du", "-sk", plan.MirrorStorage}, nil, &out)
	kilobytes, _, _ := strings.Cut(out.String(), "\t")
	if n, perr := strconv.ParseInt(kilobytes, 10, 64); err == nil && code == 0 && perr == nil {
		m.Size = n << 10
	}
}

// Verdict tells a person what SweepMirrors did with a mirror, and why.
type Verdict struct {
	Name, Reason string
	// Removed is false for a mirror that goes with the last of its jobs.
	Removed bool
}

// SweepMirrors removes mirrors outside of the settings; current is the name of the settings'
// mirror, or "" for none. The current mirror goes, too, if its storage exceeds limit bytes (0
// means no limit). Only with measure is the size looked at, since measuring costs a process. A
// mirror in use is retired: no new job takes the mirror, and a later sweep removes it. With
// dryRun nothing changes.
func (k *Keeper) SweepMirrors(ctx context.Context, current string, limit int64, measure, dryRun bool) ([]Verdict, error) {
	mirrors, err := k.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	var verdicts []Verdict
	var errs []error
	for _, m := range mirrors {
		reason := "no settings use it any more"
		if m.Name == current {
			if limit > 0 && measure {
				k.Measure(ctx, &m)
			}
			if limit == 0 || m.Size <= limit {
				continue
			}
			reason = fmt.Sprintf("it stores %s, more than mirror.max_size", config.Size(m.Size))
		}
		v := Verdict{m.Name, reason, m.Jobs == 0}
		var err error
		switch {
		case dryRun:
		case m.Jobs == 0:
			err = k.removeMirror(ctx, m)
		default:
			err = k.retireMirror(ctx, m)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		verdicts = append(verdicts, v)
	}
	if !dryRun {
		errs = append(errs, k.removeMirrorStorage(ctx, time.Now().Add(-mirrorStorageAge)))
	}
	return verdicts, errors.Join(errs...)
}

// retireMirror renames a mirror, so that the next job makes another.
func (k *Keeper) retireMirror(ctx context.Context, m State) error {
	retired := "-" + m.id[:12]
	if strings.HasSuffix(m.Name, retired) {
		return nil
	}
	if err := k.eng.Rename(ctx, m.id, m.Name+retired); !engine.Gone(err) {
		return k.eng.Explain("renaming mirror "+m.Name, err)
	}
	return nil
}

func (k *Keeper) removeMirror(ctx context.Context, m State) error {
	if err := k.removal.Container(ctx, engine.Object{Ref: m.id, Name: m.Name}); err != nil {
		return err
	}
	var errs []error
	for _, v := range m.volumes {
		errs = append(errs, k.removal.Volume(ctx, engine.Object{Ref: v, Name: v}))
	}
	return errors.Join(errs...)
}

// removeMirrorStorage removes volumes without a mirror that were made before a time.
func (k *Keeper) removeMirrorStorage(ctx context.Context, before time.Time) error {
	list, err := k.eng.IdleVolumes(ctx, label.Role+"="+string(plan.RoleMirror))
	if err != nil {
		return k.eng.Explain("listing mirrors' storage", err)
	}
	var errs []error
	for _, v := range list {
		made, err := time.Parse(time.RFC3339, v.Labels[label.Created])
		if err != nil || !made.Before(before) {
			continue
		}
		// A container may have taken the volume meanwhile; DropVolume leaves it then.
		if _, err := k.removal.DropVolume(ctx, v.Name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Answers tells whether a mirror answers. On a remote engine, a mirror that runs and listens
// counts.
func (k *Keeper) Answers(ctx context.Context, m State) bool {
	if m.State != "running" || m.Address == "" {
		return false
	}
	return !k.eng.Local() || ping(ctx, "http://"+m.Address) == nil
}
