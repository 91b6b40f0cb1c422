package driver

import (
	"sync/atomic"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/host"
	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/sandbox"
)

// Driver makes, uses and removes sandboxes on an engine.
type Driver struct {
	eng  *engine.Engine
	find sandbox.Finder
	// locks let one process at a time do a thing on this engine.
	locks *host.Locks
	// executable is the path of this program, for containers that run it.
	executable string
	bounds     *bounds.Bounds

	// noted counts the stuck volumes that were found first.
	noted atomic.Int64

	images *images.Store
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
	return &Driver{
		eng: eng, find: sandbox.Finder{Engine: eng}, images: images.NewStore(eng), locks: host.NewLocks(eng.Address()), executable: "/proc/self/exe", bounds: bounds.Usual(),
	}
}

// Close ends the connection.
func (d *Driver) Close() error { return d.eng.Close() }
