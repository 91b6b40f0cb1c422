// Package test holds what is true of the whole project: which package may
// import which, and that the shipped examples fit the program. Its folders hold
// the end-to-end tests and what they run in.
package test
