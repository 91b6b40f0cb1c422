package fault

import "strings"

// OneLine is a text of several lines on one, for whoever shows a line for each
// thing: lines are apart by a semicolon, and what ends with a mark of its own
// (a colon leads to what follows) by a space. Empty lines go, and so does what
// was between them.
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
