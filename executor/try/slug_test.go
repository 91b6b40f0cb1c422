package try

import (
	"strings"
	"testing"
)

// The expected slugs are Ruby's, by GitLab's rules.
func TestSlugsAreThoseOfGitLab(t *testing.T) {
	for name, want := range map[string]string{
		"main": "main", "feature/a_b": "feature-a-b", "Feature/JIRA-12--x": "feature-jira-12--x", "-lead-": "lead", "ÄÖ/ü": "",
		"\u212a": "k", "İstanbul": "i-stanbul", "v1.2.3": "v1-2-3", strings.Repeat("a", 70): strings.Repeat("a", 63),
		strings.Repeat("x", 62) + "/y": strings.Repeat("x", 62), "release/2024.01": "release-2024-01", "": "", "---": "", "1-2": "1-2", "a b\tc": "a-b-c",
	} {
		if got := slug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestSlugsOfEnvironmentsAreThoseOfGitLab(t *testing.T) {
	for name, want := range map[string]string{
		"production": "production", "Production": "production-iis43c", "review/feature-1": "review-feature-1-1q251u", "review/main": "review-main-yi2y9f",
		"staging": "staging", "1st": "env-1st-sru2wu", "a-": "a", "a--b": "a-b-m3ql0o", strings.Repeat("x", 24): strings.Repeat("x", 24),
		strings.Repeat("x", 25): "xxxxxxxxxxxxxxxxx-lb3sqk", "review/" + strings.Repeat("long-", 10): "review-long-long-fc40hv", "Ünï": "env-n-8hv5dg",
		"production/": "production-2u5l3g", "test env": "test-env-fdcdgc", "i": "i", "prod-eu-west-1.example": "prod-eu-west-1-ex-0za4j4",
	} {
		if got := slugOfEnvironment(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestTiersAreGuessedAsGitLabDoes(t *testing.T) {
	for name, want := range map[string]string{
		"production": "production", "PROD": "production", "prd-1": "production", "live": "production", "staging": "staging", "pre-prod": "staging",
		"review/prod": "development", "Development": "development", "test": "testing", "integration": "testing", "acceptance": "testing",
		"eu": "other", "non-prod": "staging",
	} {
		if got := tierOf(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestJobsOfAGroupShareAName(t *testing.T) {
	for name, want := range map[string]string{
		"build": "build", "build: [a, b]": "build", "rspec:test: [ruby, ubuntu]": "rspec:test", "test 1/3": "test", "test 1 3": "test",
		"test 12": "test 12", "a:b": "a:b", "x 1/2 [y]": "x",
	} {
		if got := groupName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
