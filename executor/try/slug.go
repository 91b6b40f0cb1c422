package try

import (
	"crypto/sha256"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

var (
	notInSlug  = regexp.MustCompile(`[^a-z0-9]`)
	dashes     = regexp.MustCompile(`-+`)
	beginsWell = regexp.MustCompile(`^[a-z]`)
	// groupSuffix is what tells jobs of one group apart, "[a, b]" or "1/3", up to
	// three of them.
	groupSuffix = regexp.MustCompile(`(?:[\x08\s:]+(?:\[.*\]|\d+[\s:/\\]+\d+)){1,3}\s*\z`)
)

const (
	// maxSlug is what a label of a host name may have, in bytes.
	maxSlug = 63
	// environmentSlug is what some clusters allow for a name of theirs, in bytes, and
	// keptOfSlug what is left of a name that gets a suffix.
	environmentSlug, keptOfSlug = 24, 17
)

// lower is a name in lower case as Ruby has it: the one letter that becomes two
// there is one in Go.
func lower(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "İ", "i̇"))
}

// slug is a name as GitLab makes it fit for host names. Each other letter becomes
// a dash of its own.
func slug(name string) string {
	s := notInSlug.ReplaceAllString(lower(name), "-")
	return strings.Trim(s[:min(len(s), maxSlug)], "-")
}

// slugOfEnvironment is the name of an environment as GitLab makes it fit for
// clusters. A name that is not kept as it is gets a suffix, which is made of it.
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

// groupName is the name that jobs of one `parallel` share.
func groupName(job string) string {
	return strings.TrimSpace(groupSuffix.ReplaceAllString(job, ""))
}

// tierOf is the tier that GitLab takes an environment of this name to be of.
func tierOf(environment string) string {
	name := strings.ToLower(environment)
	for _, t := range tiers {
		if slices.ContainsFunc(t.words, func(word string) bool { return strings.Contains(name, word) }) {
			return t.tier
		}
	}
	return "other"
}

// tiers are in GitLab's order: the first counts of which a word is in the name.
var tiers = []struct {
	tier  string
	words []string
}{
	{"development", []string{"dev", "review", "trunk"}},
	{"testing", []string{"test", "tst", "int", "accept", "acpt", "qa", "qc", "control", "quality"}},
	{"staging", []string{"stag", "stg", "model", "modl", "pre", "demo", "non"}},
	{"production", []string{"prod", "prd", "live"}},
}
