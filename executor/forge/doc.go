// Package forge is what a job needs of GitLab where none has sent it: the
// sources of a local repository, and a place for artifacts, over HTTP and with a
// token. It bears one run and leaves nothing behind. It alone runs git.
//
// It may import fault.
package forge
