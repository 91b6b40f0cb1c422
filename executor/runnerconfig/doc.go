// Package runnerconfig knows the GitLab Runner of this host. It reads the Runner's
// config.toml, judges whether its hooks lead here, writes the section that does, and
// converts that of a docker executor. It asks the program for its version.
//
// It knows TOML. It never calls GitLab, and never puts a token or the value of a
// variable into what it prints.
//
// It may import executor/featureflags, driver/plan, config, fault and hostfile.
package runnerconfig
