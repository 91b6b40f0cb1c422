package plan

import (
	"slices"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
)

// allowedIfAny is allowed, except that an empty list allows all images.
func allowedIfAny(patterns []string, name string) bool {
	return len(patterns) == 0 || allowed(patterns, name)
}

// allowed tells whether an image matches a pattern. Patterns are compared with full
// references. A digest decides which image runs, whatever tag precedes it. So tag and
// digest are matched apart, and a star in a tag never reaches a digest. An image with a
// digest needs a pattern with an @. The part behind the @ must match the digest, and the
// part before it the name, with or without the tag.
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
