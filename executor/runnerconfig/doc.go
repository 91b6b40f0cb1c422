// Package runnerconfig knows GitLab Runner's config.toml: it reads one, judges
// whether its hooks lead here, writes the section that does, and converts that of
// a docker executor.
//
// It may import config and fault, and knows TOML; it never calls GitLab, and
// never puts a token or the value of a variable into what it prints.
package runnerconfig
