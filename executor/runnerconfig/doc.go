// Package runnerconfig knows the GitLab Runner of this host. The package reads the Runner's
// config.toml, and judges whether the hooks there lead to this program. It writes a section
// that does, or converts the section of a docker executor. It asks the Runner for its
// version.
//
// The package knows TOML, never calls GitLab, and never prints a token or the value of a
// variable.
//
// It may import executor/featureflags, driver/plan, config, fault, hostfile and pattern.
package runnerconfig
