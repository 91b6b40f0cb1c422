// Package stream handles the bytes that containers print: it finds the lines by
// which a script says that it begins and ends, and mixes lines of others into a
// stream. It knows no engine.
package stream
