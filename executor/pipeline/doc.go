// Package pipeline reads .gitlab-ci.yml: a tree of files in, jobs out, in the
// order in which they run. It decides what rules, stages and needs say of a job,
// and names what it does not understand.
//
// It is pure: it touches no engine, no clock and no environment. It alone knows YAML.
//
// It may import fault and wary.
package pipeline
