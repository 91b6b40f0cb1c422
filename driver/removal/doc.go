// Package removal removes this program's objects from an engine. The order of removal leaves no
// sandbox half alive. Volumes go too, even when their content resists. A resisting volume is
// emptied by this program, in a container with the volume and nothing else.
//
//	kill.go     kills what runs in a sandbox after its job
//	remove.go   sandboxes, the order of their removal, and removals that hang
//	stuck.go    volumes that resist, and their marks
//	unmount.go  mounts inside such volumes
//	program.go  this program in a container, and its image
//
// It may import driver/bounds, driver/engine, driver/host, driver/label, driver/owner,
// driver/plan, driver/sandbox, driver/span, fault, group and wary.
package removal
