// Package pipeline reads .gitlab-ci.yml. The input is a tree of files, and the result is
// jobs in the order of their run. The package decides rules, stages and needs of a job, and
// warns of keywords without a meaning here.
//
// The package is pure: no engine, no clock and no environment. No other package knows YAML.
//
// It may import fault, pattern and wary.
package pipeline
