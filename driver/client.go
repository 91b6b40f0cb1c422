package driver

import (
	"gitlab-dind-executor/driver/boot"
	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/layers"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/mirror"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/stages"
)

// Installation is the variable that names one of several installations on an engine.
const Installation = engine.Installation

// Driver makes, uses and removes sandboxes on an engine.
type Driver struct {
	// Each room below adds its exported methods to Driver.
	*mirror.Keeper
	*stages.Stages
	*layers.Layers
	*looking.Looker

	eng  *engine.Engine
	find sandbox.Finder
	// locks serialise processes of this host: for each key, a single process holds the
	// lock.
	locks  *host.Locks
	bounds *bounds.Bounds
	// root is the folder with this host's files, "/" outside of tests.
	root string

	images  *images.Store
	removal *removal.Remover
	boots   *boot.Boots
}

// Open connects to the engine at an address, a Docker host URL; empty means
// DOCKER_HOST or the local socket. Nothing is sent yet.
func Open(address string) (*Driver, error) {
	eng, err := engine.Open(address)
	if err != nil {
		return nil, err
	}
	return over(eng), nil
}

// over makes the driver of an engine. All rooms share the bounds, the images and the
// remover.
func over(eng *engine.Engine) *Driver {
	d := &Driver{
		eng: eng, find: sandbox.Finder{Engine: eng}, images: images.NewStore(eng),
		locks: host.NewLocks(eng.Address()), bounds: bounds.Usual(), root: "/",
	}
	d.boots = boot.New(eng, d.bounds)
	d.removal = removal.New(eng, d.bounds, d.locks)
	d.Layers = layers.New(eng, d.bounds, d.removal)
	d.Keeper = mirror.New(eng, d.images, d.bounds, d.removal)
	d.Stages = stages.New(eng, d.bounds, d.substitute)
	d.Looker = looking.New(eng, d.bounds, d.removal, d.Layers, d.Keeper)
	return d
}

// Expect takes the ids of a job's containers, as an earlier hook got them in
// Ready.Containers. Later questions about the job then list no containers of other jobs.
// Containers without an expected id are still found by their labels.
func (d *Driver) Expect(ids ...string) { d.eng.Expect(ids...) }

// Close ends the connection.
func (d *Driver) Close() error { return d.eng.Close() }
