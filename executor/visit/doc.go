// Package visit looks a host over for `doctor`: the settings, the Runner's config.toml, the
// engine, images, registries, and a sandbox of its own. Package doctor judges the findings.
//
// It may import executor/access, executor/doctor, executor/payload, executor/runnerconfig,
// driver, driver/host, driver/mirror, driver/plan, config and wary.
package visit
