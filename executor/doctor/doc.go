// Package doctor is how a host is looked over: checks that depend on each other,
// what they find, and how that is told. What a check decides from what it has
// seen is here, too, as functions without effects; what looks is package
// visit.
//
// It may import executor/runnerconfig, driver, driver/host, driver/plan, driver/removal,
// driver/sandbox, config and fault.
package doctor
