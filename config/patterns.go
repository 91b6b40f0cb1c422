package config

import "github.com/bmatcuk/doublestar/v4"

// CutDigest cuts a pattern of images at the @ between name[:tag] and digest. ok is false
// unless the pattern has at most one @, outside of braces and brackets and without an
// escape. A pattern that is not ok matches nothing.
func CutDigest(pattern string) (before, behind string, byDigest, ok bool) {
	at, depth := -1, 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			if i++; i < len(pattern) && pattern[i] == '@' {
				return "", "", false, false
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '@':
			if at >= 0 || depth != 0 {
				return "", "", false, false
			}
			at = i
		}
	}
	if at < 0 {
		return pattern, "", false, true
	}
	return pattern[:at], pattern[at+1:], true, true
}

// validateImagePatterns reports patterns that can match no image.
func validateImagePatterns(key string, list []string, f *faults) {
	for _, p := range list {
		before, behind, byDigest, ok := CutDigest(p)
		switch {
		case p == "" || !doublestar.ValidatePattern(p):
			f.add(key, "is no valid pattern: %q", p)
		case !ok || byDigest && (!doublestar.ValidatePattern(before) || !doublestar.ValidatePattern(behind)):
			f.add(key, "must have its only @ between tag and digest, outside of brackets and braces: %q", p)
		}
	}
}
