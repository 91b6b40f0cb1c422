// Package wary deals with what others say: sidecars, containers, images, payloads,
// registries and engines. None of it is taken at its word. An answer is asked for
// without following it anywhere, what is read of it has a bound, and a text that a
// person sees cannot move a terminal's cursor.
//
// It knows neither GitLab nor Docker and imports the standard library only.
package wary
