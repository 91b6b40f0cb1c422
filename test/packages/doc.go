// Package packages holds the tests of what is published: that the same sources
// give the same bytes, and that packages are installed, used, upgraded and removed
// by a distribution's own tools, in a container.
package packages
