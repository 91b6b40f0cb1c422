// Package boot waits for the docker daemon in a sidecar, and tells why one does not
// come up. It asks from this host over mutual TLS, with certificates made for that
// one sandbox.
//
//	ready.go         Wait: does the daemon answer
//	watch.go         why it does not, as soon as that is clear
//	certificates.go  those of a sandbox
//	trace.go         the phases of a boot for a timeline
//
// It may import driver/blame, driver/bounds, driver/engine, driver/label, driver/plan,
// driver/sandbox, driver/span, fault and wary.
package boot
