// Package dataroot copies a seed, the data root of a docker daemon with nothing
// but images in it, to where another daemon is about to start. It runs in the
// sidecar, as a copy of this program that lies in the seed itself, since what
// dind images have for it drops extended attributes.
//
// It may import group.
package dataroot
