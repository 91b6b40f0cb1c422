// Package redact hides secrets in the output of others, in all the forms in which programs
// print them.
//
// It may import wary.
package redact
