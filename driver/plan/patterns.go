package plan

import (
	"slices"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
)

// allowedIfAny is allowed, but an empty list allows all.
func allowedIfAny(patterns []string, name string) bool {
	return len(patterns) == 0 || allowed(patterns, name)
}

// allowed tells whether an image matches one of the patterns, which speak of
// full references. A digest decides what runs, whatever tag stands before it. So
// tag and digest are matched apart, and no star of a tag reaches a digest: an
// image by digest needs a pattern with an @, whose part behind that matches the
// digest. The part before matches the name with its tag, or the name alone.
func allowed(patterns []string, name string) bool {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return false
	}
	named = reference.TagNameOnly(named)
	repo, tagged, digest := named.Name(), named.Name(), ""
	if t, ok := named.(reference.Tagged); ok {
		tagged += ":" + t.Tag()
	}
	if d, ok := named.(reference.Digested); ok {
		digest = d.Digest().String()
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		before, behind, byDigest, ok := config.CutDigest(p)
		switch {
		case !ok, byDigest != (digest != ""):
			return false
		case !byDigest:
			return doublestar.MatchUnvalidated(before, tagged)
		}
		return doublestar.MatchUnvalidated(behind, digest) &&
			(doublestar.MatchUnvalidated(before, repo) || doublestar.MatchUnvalidated(before, tagged))
	})
}
