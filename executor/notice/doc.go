// Package notice asks the cloud that this host runs in whether the cloud takes the
// host away. It knows the metadata services of AWS, Google Cloud and Azure, and how a
// Runner of this host ends with its last job.
//
// An answer is never obeyed, only compared. A notice consists of words of this
// package and of a time. An answer that nobody understands is no notice.
//
// It may import fault and wary.
package notice
