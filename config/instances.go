package config

import (
	"net/url"
	"strings"
)

// validateInstances wants names as a job's GitLab has them: patterns would let a
// host count that somebody else may register.
func validateInstances(key string, names []string, f *faults) {
	for _, n := range names {
		u, err := url.Parse("https://" + n)
		if err != nil || u.Host != n || u.Hostname() == "" || strings.ContainsAny(n, "*?{}\\ \t\n") {
			f.add(key, `must be the host of a GitLab, with the port if it is not the usual one, or its id; no URL and no pattern: %q`, n)
		}
	}
}
