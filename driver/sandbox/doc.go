// Package sandbox reads the labels of a sandbox's objects: the owner, the role of each container,
// and a sweep's verdict. Verdicts are pure; only Finder asks the engine.
//
// It may import driver/engine, driver/label, driver/owner, driver/plan and fault.
package sandbox
