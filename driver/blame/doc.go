// Package blame tells whose fault it is that an inner daemon does not serve its job: the
// pipeline's, the settings' or the host's. A retry does not help against the pipeline's faults.
// The package is pure. Its evidence is the words, ports and processes of a sidecar, and the
// pipeline's wishes for the sidecar.
//
// It may import driver/plan and pattern.
package blame
