// Package relay hands questions for names on to another server: datagrams and
// connections, both as they are. It runs in a container of a sandbox whose sidecar
// cannot ask Docker's own resolver.
//
// It imports nothing of this module.
package relay
