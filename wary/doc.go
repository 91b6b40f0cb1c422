// Package wary deals with the words of others: sidecars, containers, images, payloads,
// registries and engines. The package believes nobody. Requests follow no redirect, each
// answer has a bound, and a text for a person cannot move a terminal's cursor.
//
// The package knows neither GitLab nor Docker and imports the standard library only.
package wary
