// Package redact hides secrets in what others say, in all the forms in which
// programs print them.
//
// It may import wary.
package redact
