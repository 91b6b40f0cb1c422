// Package forge takes GitLab's place for a job that no GitLab has sent. The package serves
// the sources of a local repository and a place for artifacts, over HTTP and with a token.
// A server bears one run and leaves nothing behind. No other package runs git.
//
// It may import fault and pattern.
package forge
