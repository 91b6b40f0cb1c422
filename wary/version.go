package wary

import "regexp"

// maxVersion bounds a version, in bytes. The longest of Docker's releases has 20.
const maxVersion = 40

var versionForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*([a-z+~-][a-z0-9+.~-]*)?$`)

// Version returns text if text is a version: digits, dots and a suffix of [a-z0-9+.~-]. For
// anything else Version returns "", which stands for unknown.
func Version(text string) string {
	if len(text) > maxVersion || !versionForm.MatchString(text) {
		return ""
	}
	return text
}
