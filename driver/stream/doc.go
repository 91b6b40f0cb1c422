// Package stream handles the output of containers. It finds the lines that mark the begin and the
// end of a script, and mixes lines of others into a stream. No engine is known here.
package stream
