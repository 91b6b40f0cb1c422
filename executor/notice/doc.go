// Package notice asks the cloud whether this host goes. The package knows the metadata
// services of AWS, Google Cloud and Azure, and how a Runner of this host ends with its last
// job.
//
// Answers are compared, never obeyed. A notice consists of a time and of this package's own
// words. An answer that nobody understands is no notice.
//
// It may import fault and wary.
package notice
