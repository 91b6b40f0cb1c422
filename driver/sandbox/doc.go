// Package sandbox reads what a sandbox's objects say by their labels: whose it is,
// which of its containers is which, and what a sweep does with it. Verdicts are
// pure; only Finder asks the engine.
//
// It may import driver/engine, driver/label, driver/owner, driver/plan and fault.
package sandbox
