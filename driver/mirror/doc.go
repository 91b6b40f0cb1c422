// Package mirror keeps the registry that all jobs of an engine share: it finds it or
// makes it, tells how it is reached and what it stores, and removes it when its
// settings hold no more.
package mirror
