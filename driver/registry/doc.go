// Package registry asks a registry about one image, from this host, and fetches nothing. Of an
// answer only the status and the digest are believed, since a pipeline may name any registry.
//
// It may import hostfile and wary.
package registry
