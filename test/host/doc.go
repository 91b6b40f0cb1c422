// Package host boots a whole machine for tests. The machine is a Debian of scripts/hosts in
// QEMU, with a kernel, systemd and cloud-init of its own. KVM serves where it runs stock
// kernels, and software emulation elsewhere.
//
// The tests proper have the build tag host, because they take half an hour where machines are
// emulated. make test-host runs them.
//
// The package may import executor/local and test/rig.
package host
