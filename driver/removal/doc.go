// Package removal removes what is ours from an engine: sandboxes in an order that
// leaves none half alive, and volumes, those that resist included. For these it runs
// this program in a container of its own, with the one volume and nothing else.
//
//	kill.go     what runs in a sandbox whose job has ended
//	remove.go   sandboxes, in which order things go, and a removal that hangs
//	stuck.go    volumes that resist, and their marks
//	unmount.go  what is mounted in them
//	program.go  this program in a container, and its image
//
// It may import driver/bounds, driver/engine, driver/host, driver/label, driver/owner,
// driver/plan, driver/sandbox, driver/span, fault, group and wary.
package removal
