// Package try runs jobs of a .gitlab-ci.yml on this host, through GitLab Runner's hooks,
// without a GitLab.
//
// Package pipeline reads the file, package forge serves sources and artifacts, and package
// local calls the hooks. Package try chooses jobs, makes a payload of each as GitLab would,
// and reports their ends.
//
// It may import executor/forge, executor/local, executor/pipeline, fault and pattern.
package try
