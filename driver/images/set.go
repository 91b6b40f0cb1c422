package images

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"golang.org/x/sync/singleflight"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/registry"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
)

// Store has the images of an engine, and asks registries about them.
type Store struct {
	eng      *engine.Engine
	Platform ownPlatform
	// Registries asks a registry for the digest of an image.
	Registries func(ctx context.Context, name string, with registry.Credential) (string, error)
	// Question bounds a registry's answer, by all ways together. A job that is ready waits no
	// longer.
	Question time.Duration
	// FirstPullGap is the pause before the second attempt to pull; it doubles.
	FirstPullGap time.Duration
	// Silence is how long the engine may tell nothing of a pull before a line says so;
	// it doubles. 0 is for ever.
	Silence time.Duration
}

// NewStore is the Store of an engine, with the usual bounds.
func NewStore(eng *engine.Engine) *Store {
	s := &Store{eng: eng, Question: 2 * time.Second, FirstPullGap: time.Second, Silence: 10 * time.Second}
	s.Registries = registry.Client{
		CertsDir: plan.RegistryCADir(plan.ConfigDir), Agent: "gitlab-dind-executor/" + label.Version, Insecure: s.insecure,
	}.Digest
	return s
}

// Set gets the images of one plan to the engine, each once for any number of containers.
type Set struct {
	Store *Store
	// Timeout bounds all attempts at one pull.
	Timeout  time.Duration
	Attempts int
	Say      func(string)
	// Progress gets the fetched bytes and the known bytes of a pull, and replaces the lines about
	// them. With nil, Say gets these lines.
	Progress func(name string, current, total int64)
	// Slots has room for the pulls allowed at once, and MaxSize bounds each pull in bytes. nil
	// and 0 mean no bound.
	Slots   chan struct{}
	MaxSize int64
	// Asking asks registries about images already there, beside other work. With nil such images
	// are pulled anew.
	Asking  *Asking
	flights singleflight.Group
	pulls   pullCount
	used    usedImages
	there   sync.Map // *found by flight
	fetched sync.Map // engine.Image by name and platform
}

// found is an image on the engine.
type found struct {
	engine.Image
	// question is nil if no registry is asked about the image.
	question *question
}

// flight is the key of an image in this Set.
func flight(ref plan.ImageRef) string {
	return strings.Join(append([]string{ref.Name, ref.Platform}, ref.Policies...), "\x00")
}

// Ensure returns the image by its first policy that works. Containers may be created from the
// image, but not started before Settle.
func (im *Set) Ensure(ctx context.Context, ref plan.ImageRef) (engine.Image, error) {
	ctx, end := span.Begin(ctx, "image "+ref.Name)
	defer end()
	key := flight(ref)
	v, err, _ := im.flights.Do(key, func() (any, error) {
		if f, ok := im.there.Load(key); ok {
			return f, nil
		}
		f, err := im.try(ctx, ref)
		if err == nil {
			im.there.Store(key, f)
		}
		return f, err
	})
	if err != nil {
		return engine.Image{}, err
	}
	return v.(*found).Image, nil
}

// Settle waits for the registry's answer about an image that Ensure has returned. If the registry
// has another image, Settle fetches it. The answer is the job's image.
func (im *Set) Settle(ctx context.Context, ref plan.ImageRef) (engine.Image, error) {
	key := flight(ref)
	v, err, _ := im.flights.Do("settle\x00"+key, func() (any, error) {
		f, fetch, err := im.Answer(ctx, ref)
		if err != nil || !fetch {
			return f, err
		}
		img, err := im.fetch(ctx, ref)
		f = &found{Image: img}
		if err == nil {
			im.there.Store(key, f)
		}
		return f, err
	})
	if err != nil {
		return engine.Image{}, err
	}
	img := v.(*found).Image
	im.Note(ref, DigestOf(ref, img))
	return img, nil
}

// Answer waits for the registry's answer about an image. fetch tells whether the image has to be
// fetched.
func (im *Set) Answer(ctx context.Context, ref plan.ImageRef) (f *found, fetch bool, err error) {
	v, ok := im.there.Load(flight(ref))
	if !ok {
		return nil, false, fmt.Errorf("image %s was not looked for", ref.Name) // Ensure comes first
	}
	f = v.(*found)
	if f.question == nil {
		return f, false, nil
	}
	ctx, end := span.Begin(ctx, "wait for the registry of "+ref.Name)
	defer end()
	select {
	case <-f.question.done:
	case <-ctx.Done():
		return f, false, fmt.Errorf("asking the registry of image %s: %w", ref.Name, ctx.Err())
	}
	switch f.question.verdict {
	case Current:
		return f, false, nil
	case denied:
		return f, false, f.question.err
	case silent:
		im.Asking.explainSilence(ref, f.question.err)
		return f, false, nil
	}
	return f, true, nil
}

// denial is a fault that no further policy helps, since the registry has answered.
type denial struct{ error }

func (d denial) Unwrap() error { return d.error }

func (im *Set) try(ctx context.Context, ref plan.ImageRef) (*found, error) {
	var errs []error
	for _, policy := range ref.Policies {
		f, err := im.policy(ctx, ref, policy)
		if err == nil {
			return f, nil
		}
		var final denial
		if ctx.Err() != nil || errors.As(err, &final) {
			return nil, err
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

func (im *Set) policy(ctx context.Context, ref plan.ImageRef, policy string) (*found, error) {
	switch policy {
	case config.PullAlways, config.PullIfNotPresent, config.PullNever:
	default:
		return nil, fault.Job(fmt.Errorf("image %s: unknown pull policy %q", ref.Name, policy),
			"use one of "+strings.Join(config.PullPolicies, ", "))
	}
	if policy != config.PullAlways || im.Asking != nil {
		img, err := im.Store.eng.Image(ctx, ref)
		switch {
		case err != nil && !errdefs.IsNotFound(err):
			return nil, im.Store.eng.Explain("looking for image "+ref.Name, err)
		case err != nil && policy == config.PullNever:
			return nil, fault.Job(fmt.Errorf("image %s is not on this host, and its pull policy is never", ref.Name),
				"let the runner's admin fetch it, or use another pull policy")
		case err != nil:
		default:
			wanted, err := im.Store.Wanted(ctx, ref)
			switch {
			case err != nil:
				return nil, err
			case img.Fits(wanted) && policy == config.PullAlways:
				return &found{img, im.Asking.ask(ctx, ref, img)}, nil
			case img.Fits(wanted):
				return &found{Image: img}, nil
			case policy == config.PullNever:
				return nil, fault.Job(fmt.Errorf("image %s is on this host for %s/%s, not for %s, and its pull policy is never",
					ref.Name, img.OS, img.Architecture, wanted), "use another pull policy, or another platform")
			}
		}
	}
	img, err := im.fetch(ctx, ref)
	if fault.IsOfJob(err) && policy == config.PullAlways {
		err = denial{err}
	}
	return &found{Image: img}, err
}

// fetchTries bounds the pulls of an image that keeps coming for another platform.
const fetchTries = 4

// fetch pulls an image and returns it, once for all callers, whatever their policies are.
func (im *Set) fetch(ctx context.Context, ref plan.ImageRef) (engine.Image, error) {
	key := "fetch\x00" + ref.Name + "\x00" + ref.Platform
	v, err, _ := im.flights.Do(key, func() (any, error) {
		if img, ok := im.fetched.Load(key); ok {
			return img, nil
		}
		img, err := im.fetchOnce(ctx, ref)
		if err == nil {
			im.fetched.Store(key, img)
		}
		return img, err
	})
	img, _ := v.(engine.Image)
	return img, err
}

// fetchOnce pulls an image and returns it. Another job may put an image for another platform
// under the name right behind the pull. An image that comes twice is the registry's for this
// platform, whatever the image itself says.
func (im *Set) fetchOnce(ctx context.Context, ref plan.ImageRef) (img engine.Image, err error) {
	wanted, err := im.Store.Wanted(ctx, ref)
	if err != nil {
		return img, err
	}
	before := ""
	for range fetchTries {
		if err := im.pull(ctx, ref, wanted); err != nil {
			return img, err
		}
		img, err = im.Store.eng.Image(ctx, ref)
		switch {
		case errdefs.IsNotFound(err): // the name has an image for another platform now
		case err != nil:
			return img, im.Store.eng.Explain("looking at image "+ref.Name, err)
		case img.Fits(wanted), img.ID == before:
			return img, nil
		}
		before = img.ID
	}
	if err == nil {
		err = errors.New("other jobs fetch it for other platforms at the same time")
	}
	return img, im.Store.eng.Explain("looking at image "+ref.Name, err)
}
