// Package registry asks a registry about one image, from this host, and fetches
// nothing. It believes no more of an answer than a status and a digest: a
// registry is whoever a pipeline names.
//
// It may import hostfile and wary.
package registry
