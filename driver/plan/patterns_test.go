package plan

import (
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/distribution/reference"

	"gitlab-dind-executor/config"
)

func TestADigestIsMatchedApartFromTheTag(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for name, c := range map[string]struct {
		pattern, image string
		want           bool
	}{
		"a star of a tag and a digest":           {"r.example.com/dind:1*", "r.example.com/dind:1" + digest, false},
		"a star of a whole tag and a digest":     {"r.example.com/dind:*", "r.example.com/dind:1" + digest, false},
		"a star of a tag and a digest alone":     {"r.example.com/dind*", "r.example.com/dind" + digest, false},
		"two stars and a digest":                 {"r.example.com/**", "r.example.com/group/dind" + digest, false},
		"any sign instead of the @":              {"r.example.com/dind?sha256:*", "r.example.com/dind" + digest, false},
		"a class instead of the @":               {"r.example.com/dind[!x]sha256:*", "r.example.com/dind" + digest, false},
		"an @ in braces":                         {"r.example.com/dind{:1,@*}", "r.example.com/dind" + digest, false},
		"a pattern with an @":                    {"r.example.com/dind@*", "r.example.com/dind" + digest, true},
		"a pattern with an @, tag and digest":    {"r.example.com/dind@*", "r.example.com/dind:1" + digest, true},
		"a pattern with an @ and a tag":          {"r.example.com/dind:1*@*", "r.example.com/dind:1.2" + digest, true},
		"a pattern with an @ and another tag":    {"r.example.com/dind:1*@*", "r.example.com/dind:2" + digest, false},
		"a pattern with an @ and a tag, no tag":  {"r.example.com/dind:1*@*", "r.example.com/dind" + digest, false},
		"a pattern with an @, no digest":         {"r.example.com/dind@*", "r.example.com/dind:1", false},
		"a pattern of one digest":                {"r.example.com/dind" + digest, "r.example.com/dind" + digest, true},
		"a pattern of one digest, whatever tag":  {"r.example.com/dind" + digest, "r.example.com/dind:1" + digest, true},
		"a pattern of another digest":            {"r.example.com/dind@sha256:" + strings.Repeat("b", 64), "r.example.com/dind" + digest, false},
		"two stars, an @ and a digest":           {"r.example.com/**@*", "r.example.com/group/dind" + digest, true},
		"two stars, an @ and another registry":   {"r.example.com/**@*", "s.example.com/group/dind" + digest, false},
		"a port is no tag":                       {"r.example.com:5050/dind@*", "r.example.com:5050/dind" + digest, true},
		"two stars without an @ allow every tag": {"r.example.com/**", "r.example.com/group/dind:1", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := allowed([]string{c.pattern}, c.image); got != c.want {
				t.Errorf("%q against %q: %t", c.image, c.pattern, got)
			}
		})
	}
}

// A pattern only allows content that it names: a tag that matches, or a digest that matches
// the part behind the @.
func FuzzPatternsAllowNoOtherContent(f *testing.F) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, pattern := range []string{
		"docker.io/library/docker:*", "docker.io/library/docker@*", "r.example.com/dind:1*", "**", "**@**", "r.example.com/{a:1,b@*}",
		"r.example.com/dind[!a]*", `r.example.com/dind\@*`, "r.example.com/dind:1@sha256:*", "{docker.io/library/docker,x@}:*", "[@]", "{@,x}", "*@", "@*", "a@b@c",
	} {
		for _, image := range []string{"docker", "docker:dind", "docker" + digest, "docker:1" + digest, "r.example.com/dind:1" + digest, "r.example.com:5050/a/b:1", "sha256:" + strings.Repeat("a", 64)} {
			f.Add(pattern, image)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, image string) {
		if !allowed([]string{pattern}, image) {
			return
		}
		named, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			t.Fatalf("%q is no image and is allowed by %q", image, pattern)
		}
		named = reference.TagNameOnly(named)
		digested, byDigest := named.(reference.Digested)
		if !byDigest {
			if !doublestar.MatchUnvalidated(pattern, named.String()) || strings.Contains(pattern, "@") {
				t.Fatalf("%q is allowed by %q", image, pattern)
			}
			return
		}
		// The last @ of the pattern stands for the @ of the reference, and no wildcard
		// does.
		i := strings.LastIndexByte(pattern, '@')
		if i < 0 {
			t.Fatalf("%q is allowed by %q, which names no digest", image, pattern)
		}
		if !doublestar.MatchUnvalidated(pattern[i+1:], digested.Digest().String()) {
			t.Fatalf("%q is allowed by %q, which names other digests", image, pattern)
		}
		repo := named.Name()
		tagged := repo
		if t, ok := named.(reference.Tagged); ok {
			tagged += ":" + t.Tag()
		}
		if !doublestar.MatchUnvalidated(pattern[:i], repo) && !doublestar.MatchUnvalidated(pattern[:i], tagged) {
			t.Fatalf("%q is allowed by %q, which names other images", image, pattern)
		}
		// The same content under another tag stays the same. By the pattern's tag alone,
		// the content would be another.
		if allowed([]string{pattern[:i]}, image) {
			t.Fatalf("%q is allowed by %q without its digest", image, pattern)
		}
	})
}

func TestImagePatternsWithAnAtInTheWrongPlaceAreFaults(t *testing.T) {
	for pattern, want := range map[string]bool{
		"a@*": true, "a:1@sha256:*": true, "a": true, `a\*`: true, "{a,b}@*": true,
		"a@b@c": false, "{a@*,b}": false, "a[@]b": false, `a\@b`: false,
	} {
		if _, _, _, ok := config.CutDigest(pattern); ok != want {
			t.Errorf("%q: %t, want %t", pattern, ok, want)
		}
	}
}
