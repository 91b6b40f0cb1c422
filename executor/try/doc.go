// Package try runs jobs of a .gitlab-ci.yml on this host, through the hooks that
// GitLab Runner calls, without a GitLab.
//
// Package pipeline reads the file, package forge serves sources and artifacts, and
// package local calls the hooks. This one chooses jobs, makes of each what GitLab
// would send, and says how they ended.
//
// It may import executor/forge, executor/local, executor/pipeline and fault.
package try
