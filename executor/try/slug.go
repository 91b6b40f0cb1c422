package try

import (
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"

	"gitlab-dind-executor/pattern"
)

var (
	notInSlug  = pattern.New(`[^a-z0-9]`)
	dashes     = pattern.New(`-+`)
	beginsWell = pattern.New(`^[a-z]`)
	// groupSuffix matches up to three suffixes that tell copies of a job apart, "[a, b]" or
	// "1/3".
	groupSuffix = pattern.New(`(?:[\x08\s:]+(?:\[.*\]|\d+[\s:/\\]+\d+)){1,3}\s*\z`)
)

const (
	// maxSlug bounds a label of a host name, in bytes.
	maxSlug = 63
	// environmentSlug is some clusters' bound on names, in bytes. keptOfSlug is the length
	// of a name before a suffix.
	environmentSlug, keptOfSlug = 24, 17
)

// lower returns a name in lower case as Ruby does. Only İ differs: Ruby makes two characters
// of this letter, Go one.
func lower(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "İ", "i̇"))
}

// slug returns a name for host names by GitLab's rules. Each unfit letter becomes a dash of
// its own.
func slug(name string) string {
	s := notInSlug.ReplaceAllString(lower(name), "-")
	return strings.Trim(s[:min(len(s), maxSlug)], "-")
}

// slugOfEnvironment returns the name of an environment for clusters by GitLab's rules. A
// changed name gets a suffix, which follows from the name.
func slugOfEnvironment(name string) string {
	s := notInSlug.ReplaceAllString(lower(name), "-")
	if !beginsWell.MatchString(s) {
		s = "env-" + s
	}
	s = dashes.ReplaceAllString(s, "-")
	if len(s) <= environmentSlug && s == name {
		return strings.TrimSuffix(s, "-")
	}
	s = s[:min(len(s), keptOfSlug)]
	if !strings.HasSuffix(s, "-") {
		s += "-"
	}
	sum := sha256.Sum256([]byte(name))
	digits := new(big.Int).SetBytes(sum[:]).Text(36)
	return s + digits[max(0, len(digits)-6):]
}

// groupName returns the name shared by copies of a job.
func groupName(job string) string {
	return strings.TrimSpace(groupSuffix.ReplaceAllString(job, ""))
}

// tierOf returns GitLab's guess of an environment's tier by its name.
func tierOf(environment string) string {
	name := strings.ToLower(environment)
	for _, t := range tiers {
		if slices.ContainsFunc(t.words, func(word string) bool { return strings.Contains(name, word) }) {
			return t.tier
		}
	}
	return "other"
}

// tiers are in GitLab's order. The first tier with a word in the name counts.
var tiers = []struct {
	tier  string
	words []string
}{
	{"development", []string{"dev", "review", "trunk"}},
	{"testing", []string{"test", "tst", "int", "accept", "acpt", "qa", "qc", "control", "quality"}},
	{"staging", []string{"stag", "stg", "model", "modl", "pre", "demo", "non"}},
	{"production", []string{"prod", "prd", "live"}},
}
