package driver

import (
	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/removal"
	"gitlab-dind-executor/driver/sandbox"
)

// Driver makes, uses and removes sandboxes on an engine.
type Driver struct {
	eng  *engine.Engine
	find sandbox.Finder
	// locks let one process at a time do a thing on this engine.
	locks  *host.Locks
	bounds *bounds.Bounds

	images  *images.Store
	removal *removal.Remover
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

// over is the driver of an engine.
func over(eng *engine.Engine) *Driver {
	limits, locks := bounds.Usual(), host.NewLocks(eng.Address())
	return &Driver{
		removal: &removal.Remover{Engine: eng, Bounds: limits, Locks: locks, Executable: "/proc/self/exe"},
		eng:     eng, find: sandbox.Finder{Engine: eng}, images: images.NewStore(eng), locks: locks, bounds: limits,
	}
}

// Close ends the connection.
func (d *Driver) Close() error { return d.eng.Close() }
