// Package layers keeps everything on an engine that outlives jobs: data roots of inner daemons
// with their layers, caches of projects, and seeds. All of it is in volumes. Marks, which are
// empty volumes, record the state and last use of the others.
//
//	scope.go   the cached volumes of a scope: data roots that serve, and last use
//	clear.go   ClearLayers: behind a job and before the next; waiting for leases
//	base.go    bases, which new data roots copy where files can share blocks
//	cached.go  RemoveCached: eviction by age and size, or when the disk is short
//	seeds.go   Seeds, SweepSeeds: first layers for new data roots
//
// It may import driver/bounds, driver/engine, driver/host, driver/label, driver/plan,
// driver/removal, driver/span, config and fault.
package layers
