// Package boot waits for the docker daemon in a sidecar, and explains why a daemon does not come
// up. The questions come from this host, over mutual TLS with certificates of the one sandbox.
//
//	ready.go         Wait: until the daemon answers
//	watch.go         why no daemon answers, as soon as the cause is clear
//	certificates.go  the certificates of a sandbox
//	trace.go         the phases of a boot for a timeline
//
// It may import driver/blame, driver/bounds, driver/engine, driver/label, driver/plan,
// driver/sandbox, driver/span, fault and wary.
package boot
