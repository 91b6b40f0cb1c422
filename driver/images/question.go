package images

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/distribution/reference"
	ocidigest "github.com/opencontainers/go-digest"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/registry"
	"gitlab-dind-executor/driver/span"
	"gitlab-dind-executor/fault"
)

// Verdict is a registry's answer about an image on the engine.
type Verdict int

const (
	// unclear leaves the decision to a pull.
	unclear Verdict = iota
	// Current: the engine has the registry's image.
	Current
	// Outdated: the registry has another image.
	Outdated
	// denied: this job may not have the image.
	denied
	// silent: the registry cannot be asked now.
	silent
)

// question is a question to a registry, while under way.
type question struct {
	// done is closed when the other fields are set.
	done    chan struct{}
	verdict Verdict
	// err explains a verdict of denied or silent.
	err error
}

// Asking asks registries for one job.
type Asking struct {
	d *Store
	// say tells the job about each registry that cannot be asked, once.
	say  func(string)
	told onceEach
	// silences has the registries that did not answer lately.
	silences silences
}

// Asking begins to ask registries for one job; say writes to the job log.
func (d *Store) Asking(say func(string)) *Asking {
	return &Asking{d: d, say: say, silences: silences{d: d}}
}

// ask begins to ask about an image on the engine, beside other work. The question ends within its
// bound.
func (a *Asking) ask(ctx context.Context, ref plan.ImageRef, img engine.Image) *question {
	q := &question{done: make(chan struct{}), verdict: silent, err: errors.New("it was not asked")}
	go func() {
		defer close(q.done)
		defer func() {
			if p := recover(); p != nil {
				q.verdict, q.err = unclear, fmt.Errorf("asking a registry: %v", p)
			}
		}()
		ctx, end := span.Begin(ctx, "ask registry for "+ref.Name)
		defer end()
		// The caller's end does not cut the question, since a cut question is no answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.d.Question)
		defer cancel()
		q.verdict, q.err = a.judge(ctx, ref, img)
	}()
	return q
}

// judge asks the registry itself. If this process cannot reach the registry, the engine asks: the
// engine may have a way of its own.
func (a *Asking) judge(ctx context.Context, ref plan.ImageRef, img engine.Image) (Verdict, error) {
	named, err := reference.ParseNormalizedNamed(ref.Name)
	if err != nil {
		return unclear, err
	}
	if a.silences.knows(ctx, named) {
		return silent, errors.New("it said nothing a short while ago")
	}
	digest, err := a.d.Registries(ctx, engine.FullName(ref.Name), credentialOf(ref.Auth))
	var unreachable *registry.Unreachable
	switch {
	case err == nil:
		return Compare(named, img, digest), nil
	case errors.Is(err, registry.ErrDenied), errors.Is(err, registry.ErrMissing):
		return denied, deniedFault(ref, err)
	case errors.Is(err, registry.ErrBusy):
		return silent, err
	case !errors.As(err, &unreachable):
		return unclear, err
	}
	if ctx.Err() == nil {
		digest, engineErr := a.throughEngine(ctx, ref)
		switch {
		case engineErr == nil:
			return Compare(named, img, digest), nil
		case fault.IsOfJob(engineErr):
			return denied, engineErr
		}
	}
	if unreachable.Silent {
		a.silences.remember(ctx, named, unreachable.Connected)
	}
	return silent, unreachable
}

// throughEngine lets the engine ask. Registries count the question as a pull.
func (a *Asking) throughEngine(ctx context.Context, ref plan.ImageRef) (digest string, err error) {
	digest, err = a.d.eng.AskRegistry(ctx, engine.FullName(ref.Name), ref.Auth)
	if err != nil {
		return "", (&Set{Store: a.d}).ExplainPull(ref, err)
	}
	return digest, ocidigest.Digest(digest).Validate()
}

// Compare tells whether the engine has the image under a digest of its registry.
func Compare(named reference.Named, img engine.Image, digest string) Verdict {
	if slices.Contains(digestsOf(named, img), digest) {
		return Current
	}
	return Outdated
}

// deniedFault is the error for a job that may not have an image.
func deniedFault(ref plan.ImageRef, why error) error {
	hint := "no credentials for this registry: check the name, or give DOCKER_AUTH_CONFIG"
	switch {
	case errors.Is(why, registry.ErrMissing):
		hint = "check the image's name and tag, and whether this project may read it"
	case ref.Auth != nil:
		hint = "the registry refused the job's credentials for it"
	}
	return fault.Job(fmt.Errorf("image %s: %w", ref.Name, why), hint)
}

// explainSilence tells the job which images are used without asking their registry.
func (a *Asking) explainSilence(ref plan.ImageRef, why error) {
	host := "its registry"
	if named, err := reference.ParseNormalizedNamed(ref.Name); err == nil {
		host = "registry " + reference.Domain(named)
	}
	if a.told.first(host) {
		a.say(fmt.Sprintf("%s cannot be asked (%s): its images that are on this host serve as they are", host, fault.Line(why)))
	}
}

// insecure tells whether the engine trusts a registry without a look at its certificate.
func (d *Store) insecure(ctx context.Context, host string) bool {
	info, err := d.eng.Info(ctx)
	return err == nil && info.Trusts(ctx, host)
}

// credentialOf is a credential in the form for registries.
func credentialOf(c *plan.Credential) registry.Credential {
	if c == nil {
		return registry.Credential{}
	}
	return registry.Credential{Username: c.Username, Password: c.Password.Reveal(), IdentityToken: c.IdentityToken.Reveal()}
}
