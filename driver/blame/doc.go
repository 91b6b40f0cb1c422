// Package blame tells whose fault it is that an inner daemon does not serve its job:
// the pipeline's, which no retry helps, the settings', or the host's. It is pure: what
// it judges by are the words, ports and processes of a sidecar, and what the pipeline
// has said of it.
//
// It may import driver/plan.
package blame
