// Package test checks the whole project: its imports, its shipped examples, its pages and its
// comments. Its folders hold the end-to-end tests and their surroundings.
package test
