// Package e2e runs jobs on a real engine: a real dockerd in the sidecar, a real
// registry with TLS and a password, a real git repository, and the executor's
// binary driven by the stand-in for GitLab Runner. Without an engine its tests
// fail; `make test` provides one.
package e2e
