// Package span writes spans of a timeline, where one is written.
package span
