// Package packages tests the published files. The same sources give the same bytes. A
// distribution's own tools install, use, upgrade and remove the packages, in a container.
package packages
