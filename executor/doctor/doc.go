// Package doctor judges a host by checks. The package runs checks that depend on each
// other, and prints their findings. Judgements are functions without effects. Package visit
// looks at the host.
//
// It may import executor/runnerconfig, driver, driver/host, driver/plan, driver/removal,
// driver/sandbox, config and fault.
package doctor
