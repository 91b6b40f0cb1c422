package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

const (
	// seedStop is the time for a seed's daemon to end cleanly.
	seedStop = 60 * time.Second
	// sealBound is the time for the sealing program, which reads a whole seed and writes it
	// to disk.
	sealBound = 15 * time.Minute
)

// SeedImage is an image of a seed: its full name, and its reference for the pull.
type SeedImage struct {
	Name string
	Ref  plan.ImageRef
}

// MakeSeed makes a seed of the wish's images. A separate daemon fetches them. Then a second
// daemon must start on a copy, as in a job, and know all images. Only then do jobs get the
// seed. SweepSeeds removes the older seeds that it replaces.
//
// p is the wish's plan, for a sandbox without a name. program is the program that copies
// seeds in sidecars.
func (d *Driver) MakeSeed(ctx context.Context, w plan.SeedWish, p *plan.Plan, images []SeedImage, program []byte, to Telling) (err error) {
	if err := d.eng.Greet(ctx); err != nil {
		return err
	}
	unlock, err := d.locks.Lock(ctx, "seed", "making seeds", "wait for it to end: gitlab-dind-executor seed status shows what there is")
	if err != nil {
		return err
	}
	defer unlock()
	owner, err := owner.This()
	if err != nil {
		return err
	}
	p.Claim.Owner = owner.String()
	m := &seedMaker{d: d, p: p.In(label.NewSandboxID()), wish: w, images: images, program: program, to: to}
	m.prep = d.preparation(m.p, to.Say)
	m.prep.images.Progress = to.Bytes
	defer func() {
		ctx, cancel := d.bounds.Clearing(ctx)
		defer cancel()
		// A volume without a mark and a sandbox belongs to nobody, so the sandbox goes
		// last.
		left := d.removal.Sandbox(ctx, m.p.Sandbox)
		if err == nil {
			if left != nil { // the seed works all the same, and a sweep finishes the removal
				to.Say("warning: " + left.Error())
			}
			return
		}
		err = errors.Join(err, left)
		if m.volume != "" {
			err = errors.Join(err, d.removal.Volume(ctx, engine.Object{Ref: m.volume, Name: m.volume}))
		}
	}()
	if err := m.make(ctx); err != nil {
		return err
	}
	if err := m.try(ctx); err != nil {
		return fmt.Errorf("a daemon on a copy of the seed: %w", err)
	}
	mark := label.ForSeed(plan.RoleMark, m.kind, w.ID)
	mark[label.Of] = m.volume
	if _, err := d.eng.CreateVolume(ctx, label.ReadyName(m.volume), mark); err != nil {
		return d.eng.Explain("making the mark that a seed is ready", err)
	}
	m.volume = "" // the volume stays
	return nil
}

// seedMaker makes a seed.
type seedMaker struct {
	d       *Driver
	p       *plan.Plan
	prep    *preparation
	wish    plan.SeedWish
	images  []SeedImage
	program []byte
	to      Telling
	// kind is the seed's kind. volume is its volume's name until the seed is ready.
	kind, volume string
}

// make fills a new volume: a daemon fetches the images, and the seed is sealed.
func (m *seedMaker) make(ctx context.Context) error {
	d, prep := m.d, m.prep
	if err := prep.anchor(ctx, label.Claim(m.p.Claim)); err != nil {
		return err
	}
	if err := prep.certify(ctx); err != nil {
		return err
	}
	img, err := prep.place(ctx, m.p.Sidecar.Container)
	if err != nil {
		return err
	}
	if err := prep.fit(ctx, img); err != nil {
		return err
	}
	if m.kind = prep.sidecar.Seed; m.kind == "" {
		return fault.System(errors.New("the daemon's arguments say where or how it stores images"), "take them out of sidecar.arguments, or empty cache.seed_images")
	}
	m.volume = label.SeedName(m.kind, m.p.Sandbox)
	if _, err := d.eng.CreateVolume(ctx, m.volume, label.ForSeed(plan.RoleSeed, m.kind, m.wish.ID)); err != nil {
		return d.eng.Explain("creating the seed's volume", err)
	}
	c := prep.sidecar.Container
	c.DataVolume = m.volume
	id, err := d.createWith(ctx, m.p, c, label.ObjectName(m.p.Sandbox, plan.RoleSidecar), label.InSandbox(m.p.Sandbox, plan.RoleSidecar), img)
	if err != nil {
		return createFault(c, err)
	}
	if err := m.boot(ctx, id); err != nil {
		return err
	}
	names, err := m.fetch(ctx, id)
	if err != nil {
		return err
	}
	if err := d.eng.Stop(ctx, id, seedStop); err != nil {
		return d.eng.Explain("ending the docker daemon of the seed", err)
	}
	if st, err := d.eng.Container(ctx, id); err != nil || st.ExitCode == 128+9 {
		return errors.Join(err, fault.System(errors.New("the docker daemon of the seed did not end by itself"), ""))
	}
	at := func(name string) string { return c.DataPath + "/" + name }
	if err := d.eng.PutFiles(ctx, id, []engine.File{
		{Path: at(plan.SeedProgram), Mode: 0o755, Content: m.program},
		{Path: at(plan.SeedID), Mode: 0o644, Content: []byte(m.volume + "\n")},
		{Path: at(plan.SeedNames), Mode: 0o644, Content: []byte(names + "\n")},
	}); err != nil {
		return err
	}
	if err := d.removal.Container(ctx, engine.Object{Ref: id, Name: "of the seed"}); err != nil {
		return err
	}
	c.Stdin, c.Role = false, plan.RoleScratch
	c.Entrypoint, c.Command = []string{at(plan.SeedProgram)}, []string{plan.SealCommand, c.DataPath}
	return m.seal(ctx, c)
}

// boot starts a sidecar and waits for its daemon.
func (m *seedMaker) boot(ctx context.Context, id string) error {
	ready, err := m.prep.startSidecar(ctx, id)
	if err != nil || !ready.Booting {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, m.prep.sidecar.ReadyTimeout, boot.ErrNotReady)
	defer cancel()
	_, err = m.d.boots.Wait(ctx, id, m.p, m.prep.certs)
	return err
}

// fetch lets a daemon pull the images. It returns their names with digests, in the form
// that sidecars read.
func (m *seedMaker) fetch(ctx context.Context, id string) (names string, err error) {
	inner, err := m.d.inner(id)
	if err != nil {
		return "", err
	}
	defer inner.Close()
	if err := inner.eng.Greet(ctx); err != nil {
		return "", err
	}
	im := &images.Set{Store: inner.images, Timeout: m.p.PullTimeout, Attempts: m.p.PullAttempts, Say: m.to.Say, Progress: m.to.Bytes}
	names = "|"
	for _, i := range m.images {
		img, err := im.Ensure(ctx, i.Ref)
		if err != nil {
			if strings.Contains(err.Error(), "x509:") {
				err = fault.System(err, "name the registry's CA in the settings: ca_file of its [registry.\"HOST:PORT\"]")
			}
			return "", err
		}
		digest := strings.Trim(images.DigestOf(i.Ref, img), " ()")
		names += i.Name + " " + digest + "|"
	}
	return names, nil
}

// seal runs the program in the seed, which notes what the seed contains.
func (m *seedMaker) seal(ctx context.Context, c plan.Container) error {
	ctx, cancel := context.WithTimeout(ctx, sealBound)
	defer cancel()
	d := m.d
	img, err := m.prep.place(ctx, c)
	if err != nil {
		return err
	}
	id, err := d.createWith(ctx, m.p, c, label.ObjectName(m.p.Sandbox, plan.RoleScratch), label.InSandbox(m.p.Sandbox, plan.RoleScratch), img)
	if err != nil {
		return err
	}
	exits, errs := d.eng.Wait(ctx, id, engine.NextExit)
	hint := "this program must be static, and for the engine's architecture: build it with CGO_ENABLED=0"
	if err := d.eng.Start(ctx, id); err != nil {
		return fault.System(fmt.Errorf("sealing the seed: %w", err), hint)
	}
	select {
	case exit := <-exits:
		if exit.Code != 0 {
			return fault.System(fmt.Errorf("sealing the seed ended with code %d%s", exit.Code, d.eng.LastLog(ctx, id)), hint)
		}
	case err := <-errs:
		return d.eng.Explain("sealing the seed", err)
	}
	return d.removal.Container(ctx, engine.Object{Ref: id, Name: "that sealed the seed"})
}

// try starts a daemon on a copy of the seed, as in a job, and looks for each image.
func (m *seedMaker) try(ctx context.Context) error {
	d := m.d
	c := m.prep.sidecar.Container
	c.SeedVolume = m.volume
	img, err := m.prep.place(ctx, c)
	if err != nil {
		return err
	}
	id, err := d.createWith(ctx, m.p, c, label.ObjectName(m.p.Sandbox, plan.RoleSidecar), label.InSandbox(m.p.Sandbox, plan.RoleSidecar), img)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := m.boot(ctx, id); err != nil {
		return err
	}
	inner, err := d.inner(id)
	if err != nil {
		return err
	}
	defer inner.Close()
	if err := inner.eng.Greet(ctx); err != nil {
		return err
	}
	for _, i := range m.images {
		if _, err := inner.eng.ImageAs(ctx, i.Ref.Name); err != nil {
			return fault.System(fmt.Errorf("looking for %s: %w%s", i.Name, err, d.eng.LastLog(ctx, id)), "the disk may be full or slow: raise sidecar.ready_timeout, half of which the copy may take")
		}
	}
	m.prep.say(fmt.Sprintf("a docker daemon on a copy of the seed was ready in %.1f s", time.Since(began).Seconds()))
	return nil
}
