// Package host boots a whole machine for tests: a Debian that scripts/hosts has
// made, in QEMU, with a kernel, systemd and cloud-init of its own. KVM serves where
// it runs stock kernels, and software emulation elsewhere.
//
// The tests proper have the build tag host, since they take half an hour where
// machines are emulated: make test-host runs them.
//
// It may import executor/local and test/rig.
package host
