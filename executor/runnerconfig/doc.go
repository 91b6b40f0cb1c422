// Package runnerconfig knows the GitLab Runner of this host. The package reads the Runner's
// config.toml, judges whether the hooks there lead here, and writes a section that does. It
// converts the section of a docker executor, and asks the Runner for its version.
//
// The package knows TOML. It never calls GitLab, and never prints a token or the value of a
// variable.
//
// It may import executor/featureflags, driver/plan, config, fault and hostfile.
package runnerconfig
