// Package rig holds the real surroundings that the demo, the end-to-end tests
// and the benchmark run against: a registry with its own CA and a password, a
// git server that asks for the job token, the images of scripts/images, and
// the engine's lists before and after.
//
// Nothing here is simulated: the registry is Distribution in a container on
// the engine, the git server is git's own http-backend, pushes go through the
// engine. The process that uses the rig runs on the engine's host: containers
// reach the git server, and the process the registry, over that host's
// addresses.
//
// What the rig creates on the engine is named "dind-rig-…" and labelled with
// what it is and whose it is (owner.go), so that the leftovers of a killed run
// can be found; see [RemoveStale]. The labels are not those of the product:
// its sweep must not see the rig, nor the rig the product's objects.
//
// It may import the standard library, the Docker client with what its API is
// made of (types, nat, stdcopy, errdefs) and x/crypto/bcrypt; never another
// package of this project, as it is what they are tested against.
package rig
