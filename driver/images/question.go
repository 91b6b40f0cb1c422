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

// Verdict is what a registry says of an image that the engine has.
type Verdict int

const (
	// unclear leaves it to a pull.
	unclear Verdict = iota
	// Current means that the engine has what the registry has.
	Current
	// Outdated means that the registry has another.
	Outdated
	// denied means that this job may not have it.
	denied
	// silent means that the registry cannot be asked now.
	silent
)

// Question is one to a registry, while it is under way.
type question struct {
	// done is closed when all the rest is there.
	done    chan struct{}
	verdict Verdict
	// err is why it is denied, or silent.
	err error
}

// Asking asks registries for one job.
type Asking struct {
	d *Store
	// Say tells the job, once for each registry that cannot be asked.
	say  func(string)
	told onceEach
	// silences are what is known of registries that said nothing.
	silences silences
}

// Asking begins to ask registries for one job, which say tells.
func (d *Store) Asking(say func(string)) *Asking {
	return &Asking{d: d, say: say, silences: silences{d: d}}
}

// ask begins to ask about an image that the engine has, beside whatever else is
// done. It ends by itself within its bound.
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
		// Not cut by its caller's end: a question that was cut is no answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.d.Question)
		defer cancel()
		q.verdict, q.err = a.judge(ctx, ref, img)
	}()
	return q
}

// judge asks the registry itself and, where the network does not let it, through
// the engine, which may have a way there that this process lacks.
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

// throughEngine lets the engine ask, which registries count as a pull.
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

// deniedFault is what a job is told that may not have an image.
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

// explainSilence tells the job which images serve unasked.
func (a *Asking) explainSilence(ref plan.ImageRef, why error) {
	host := "its registry"
	if named, err := reference.ParseNormalizedNamed(ref.Name); err == nil {
		host = "registry " + reference.Domain(named)
	}
	if a.told.first(host) {
		a.say(fmt.Sprintf("%s cannot be asked (%s): its images that are on this host serve as they are", host, fault.Line(why)))
	}
}

// insecure tells whether the engine is told to trust a registry without a look
// at its certificate.
func (d *Store) insecure(ctx context.Context, host string) bool {
	info, err := d.eng.Info(ctx)
	return err == nil && info.Trusts(ctx, host)
}

// credentialOf is a credential as a registry is asked with.
func credentialOf(c *plan.Credential) registry.Credential {
	if c == nil {
		return registry.Credential{}
	}
	return registry.Credential{Username: c.Username, Password: c.Password.Reveal(), IdentityToken: c.IdentityToken.Reveal()}
}
