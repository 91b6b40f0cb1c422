package config

import "github.com/bmatcuk/doublestar/v4"

// CutDigest cuts a pattern of images at the @ between name[:tag] and digest. It
// is not ok if that is not one @ on its own: in braces or brackets, escaped, or
// twice. Such a pattern matches nothing.
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

// validateImagePatterns says which of the patterns can match no image.
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
