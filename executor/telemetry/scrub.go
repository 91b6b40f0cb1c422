package telemetry

import (
	"strings"
	"unicode/utf8"

	"gitlab-dind-executor/pattern"
	"gitlab-dind-executor/wary"
)

// longest bounds a text, in bytes.
const longest = 2048

var (
	// userinfo matches a possible password in a URL, query the part behind a URL's path.
	userinfo = pattern.New(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"'<>]*@`)
	query    = pattern.New(`([A-Za-z][A-Za-z0-9+.-]*://[^?#\s"'<>]*)[?#][^\s"'<>]*`)
	// bearer matches tokens as they go over the wire.
	bearer = pattern.New(`(?i)\b(bearer\s+|authorization:\s*(?:basic\s+|bearer\s+)?|(?:token|password|secret)=)[^\s"',;]+`)
)

// Scrub takes possible secrets out of a text by their form. They are user and password,
// query and fragment of URLs, and words in the place of tokens.
func Scrub(text string) string {
	if strings.Contains(text, "://") {
		text = userinfo.ReplaceAllString(text, "$1")
		text = query.ReplaceAllString(text, "$1")
	}
	return bearer.ReplaceAllString(text, "${1}[hidden]")
}

// Clip bounds a text, and takes control sequences out of it: containers print any bytes.
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
