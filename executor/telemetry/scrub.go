package telemetry

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"gitlab-dind-executor/wary"
)

// longest is what of a text is kept, in bytes.
const longest = 2048

var (
	// userinfo is what may be a password in a URL; query what follows its path.
	userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"'<>]*@`)
	query    = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^?#\s"'<>]*)[?#][^\s"'<>]*`)
	// bearer is how tokens go over the wire.
	bearer = regexp.MustCompile(`(?i)\b(bearer\s+|authorization:\s*(?:basic\s+|bearer\s+)?|(?:token|password|secret)=)[^\s"',;]+`)
)

// Scrub takes out of a text what may be a secret by its form: user and password,
// query and fragment of URLs, and what stands where tokens stand.
func Scrub(text string) string {
	if strings.Contains(text, "://") {
		text = userinfo.ReplaceAllString(text, "$1")
		text = query.ReplaceAllString(text, "$1")
	}
	return bearer.ReplaceAllString(text, "${1}[hidden]")
}

// Clip bounds a text, and takes out of it what a terminal would obey: containers
// print what they like.
func Clip(text string) string {
	text = wary.Text(text)
	if len(text) <= longest {
		return text
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
