package images

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/distribution/reference"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
)

// SilentFor is the time in which nobody asks a registry that did not answer.
const SilentFor = 3 * time.Minute

// rememberBound bounds the note of a silence.
const rememberBound = 2 * time.Second

// silences are the registries that did not answer lately, so not every job waits for them anew.
// The note is an empty volume with a deadline, since jobs share nothing but the engine's labels.
type silences struct {
	d     *Store
	once  sync.Once
	known map[string]bool
}

// knows tells whether a registry, or this image's repository there, is silent.
func (s *silences) knows(ctx context.Context, named reference.Named) bool {
	s.once.Do(func() {
		s.known = map[string]bool{}
		list, err := s.d.eng.Volumes(ctx, label.Role+"="+string(plan.RoleSilent))
		if err != nil {
			return // a question in vain costs two seconds
		}
		for _, v := range list {
			s.known[v.Name] = time.Now().Before(silentUntil(v.Labels))
		}
	})
	return s.known[label.SilentName(reference.Domain(named))] || s.known[label.SilentName(named.Name())]
}

// remember notes that a registry is silent. A registry that took the connection may be silent for
// this repository alone, which somebody may have made slow. Errors are dropped: no job fails for
// a note.
func (s *silences) remember(ctx context.Context, named reference.Named, connected bool) {
	key := reference.Domain(named)
	if connected {
		key = named.Name()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rememberBound)
	defer cancel()
	l := label.Common(plan.RoleSilent)
	l[label.Deadline] = time.Now().Add(SilentFor).UTC().Format(time.RFC3339)
	l[label.Registry] = key
	name := label.SilentName(key)
	_ = s.d.eng.RemoveVolume(ctx, name) // labels never change
	_, _ = s.d.eng.CreateVolume(ctx, name, l)
}

func silentUntil(labels map[string]string) time.Time {
	until, _ := time.Parse(time.RFC3339, labels[label.Deadline])
	return until
}

// ForgetSilences removes notes of silences that are over.
func (d *Store) ForgetSilences(ctx context.Context, now time.Time) error {
	list, err := d.eng.Volumes(ctx, label.Role+"="+string(plan.RoleSilent))
	if err != nil {
		return d.eng.Explain("looking for registries that were silent", err)
	}
	var errs []error
	for _, v := range list {
		if silentUntil(v.Labels).After(now) {
			continue
		}
		if err := d.eng.RemoveVolume(ctx, v.Name); err != nil && !engine.Gone(err) {
			errs = append(errs, d.eng.Explain("removing volume "+v.Name, err))
		}
	}
	return errors.Join(errs...)
}

// onceEach tells whether a text comes for the first time; several goroutines may ask.
type onceEach struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (o *onceEach) first(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[what] {
		return false
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[what] = true
	return true
}
