// Package config holds the settings of the executor: their types, defaults, loading and
// validation, and the commented default file.
//
// Besides executor/runnerconfig, no other package knows TOML.
//
// It may import fault, hostfile and pattern.
package config

//go:generate sh -c "go run ../scripts/settingsdoc >../docs/settings.md.part && mv ../docs/settings.md.part ../docs/settings.md"
