// Package e2e runs jobs on a real engine. Each has a real dockerd in the sidecar, a real
// registry with TLS and a password, and a real git repository. The stand-in for GitLab Runner
// drives the executor's binary. Without an engine the tests fail; `make test` provides an
// engine.
package e2e
