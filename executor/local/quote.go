package local

import "strings"

// quote makes s one word of a shell. Where necessary, quote writes the word as $'…', which
// bash and busybox ash understand and POSIX sh does not. Each byte reaches the program
// unchanged, except NUL, which no shell can hold. Bytes outside of printable ASCII become
// \xHH, whatever the locale.
func quote(s string) string {
	if s == "" {
		return "''"
	}
	if strings.IndexFunc(s, needsQuotes) < 0 {
		return s
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.Grow(2 * len(s))
	b.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\' || c == '\'':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c > '~':
			b.WriteString(`\x`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xf])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString("'")
	return b.String()
}

// needsQuotes is true for all characters with a possible meaning to a shell.
func needsQuotes(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune(",-./@_", r))
}

// quoteAll quotes the words of a command line.
func quoteAll(words ...string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = quote(w)
	}
	return strings.Join(out, " ")
}

var inDoubleQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`)

// quotePath puts s in double quotes, as the Runner writes paths.
func quotePath(s string) string { return `"` + inDoubleQuotes.Replace(s) + `"` }
