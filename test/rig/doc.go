// Package rig holds the real surroundings of the demo, the end-to-end tests and the benchmark.
// These are a registry with its own CA and a password, and a git server with the job token as
// its password. There are also the images of scripts/images, and the engine's lists before and
// after.
//
// Nothing here is simulated. The registry is Distribution in a container on the engine, the git
// server is git's own http-backend, and pushes go through the engine. The process with the rig
// runs on the engine's host. Containers reach the git server, and the process reaches the
// registry, over that host's addresses.
//
// Objects of the rig on the engine are named "dind-rig-…". Their labels say their kind and
// their owner (owner.go), so that the leftovers of a killed run can be found; see
// [RemoveStale]. The labels differ from the product's: its sweep must not see the rig, nor the
// rig the product's objects.
//
// The package may import the standard library, x/crypto/bcrypt, and the Docker client with the
// packages of its API (types, nat, stdcopy, errdefs). It never imports another package of this
// project, because the project is tested against the rig.
package rig
