package fault

import "strings"

// OneLine joins a text of several lines to a single line, for lists with a line per entry.
// A semicolon parts the lines. A space parts them behind a colon, a semicolon or a comma.
// Empty lines go.
func OneLine(text string) string {
	var b strings.Builder
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if s := b.String(); s != "" && strings.ContainsRune(":;,", rune(s[len(s)-1])) {
			b.WriteString(" ")
		} else if s != "" {
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// Line is an error on one line, without its hint.
func Line(err error) string { return OneLine(err.Error()) }
