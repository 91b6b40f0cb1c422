package config

import (
	"net/url"
	"strings"
)

// validateInstances wants exact names of GitLab instances. A pattern could match a host
// that somebody else may register.
func validateInstances(key string, names []string, f *faults) {
	for _, n := range names {
		u, err := url.Parse("https://" + n)
		if err != nil || u.Host != n || u.Hostname() == "" || strings.ContainsAny(n, "*?{}\\ \t\n") {
			f.add(key, `must be the host of a GitLab, with the port if it is not the usual one, or its id; no URL and no pattern: %q`, n)
		}
	}
}
