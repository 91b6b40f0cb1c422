// Package layers keeps what outlives jobs on an engine: the data roots of inner
// daemons with their layers, the caches of projects, and seeds. Volumes are all there
// is of it; marks, which are volumes too, say what became of them.
//
//	scope.go   what is cached of a scope: which data roots serve, and their last use
//	clear.go   ClearLayers: behind a job and before the next; leases that are waited for
//	base.go    what new data roots are copies of, where copies share blocks
//	cached.go  RemoveCached: what goes by age and size, or when the disk is short
//	seeds.go   Seeds, SweepSeeds: first layers for new data roots
//
// It may import driver/bounds, driver/engine, driver/host, driver/label, driver/plan,
// driver/removal, driver/span, config and fault.
package layers
