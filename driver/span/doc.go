// Package span writes spans of a timeline, if the context has one.
package span
