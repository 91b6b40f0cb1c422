// Package engines runs the jobs of test/e2e on other engines than this machine's, with other
// daemons in the sidecar. Such an engine has a host of its own. The host is a privileged
// container with its own data root, network and cgroup namespace, made from the images of
// scripts/engines. The test binary of test/e2e and the executor run inside the host.
//
// Without flags the package runs its short form, as in make test. make test-engines runs every
// pair.
package engines
