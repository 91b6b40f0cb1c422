package wary

import (
	"strings"
	"unicode/utf8"
)

// Text returns s without anything that a terminal would obey or show differently. Text
// removes control characters except \n and \t, whole escape sequences, and marks that turn
// the direction of writing. Each run of bytes without meaning in UTF-8 becomes one U+FFFD.
func Text(s string) string {
	if harmless(s) {
		return s
	}
	var c cleaner
	out := c.clean(make([]byte, 0, len(s)), []byte(s))
	if c.partial > 0 && !c.broken {
		out = utf8.AppendRune(out, utf8.RuneError)
	}
	return string(out)
}

// Line is Text on one line: each run of white space becomes one space.
func Line(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }

// harmless tells whether s is plain ASCII, as most text is.
func harmless(s string) bool {
	for i := range len(s) {
		if b := s[i]; b >= 0x7f || b < 0x20 && b != '\n' && b != '\t' {
			return false
		}
	}
	return true
}

// state is the cleaner's position in an escape sequence.
type state int

const (
	// inText is outside of any sequence.
	inText state = iota
	// inEscape follows ESC, inIntermediate its intermediate bytes.
	inEscape
	inIntermediate
	// inCSI is within ESC [ or its C1 form: parameters up to a final byte.
	inCSI
	// inString is within OSC, DCS, SOS, PM or APC, up to ST or BEL. inStringEscape follows
	// an ESC within such a string.
	inString
	inStringEscape
)

// cleaner does the work of Text on a stream. An endless sequence ends with its line, so
// nobody can hide the text of others behind a sequence.
type cleaner struct {
	state state
	// rest holds the first bytes of an incomplete rune. partial counts them.
	rest    [utf8.UTFMax]byte
	partial int
	// broken tells whether the last byte belonged to no rune.
	broken bool
}

// clean appends the harmless part of p to out.
func (c *cleaner) clean(out, p []byte) []byte {
	if c.partial > 0 {
		p = append(append(make([]byte, 0, c.partial+len(p)), c.rest[:c.partial]...), p...)
		c.partial = 0
	}
	for len(p) > 0 {
		if !utf8.FullRune(p) {
			c.partial = copy(c.rest[:], p)
			return out
		}
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 && p[0] >= 0x80 && p[0] < 0xa0 && c.state != inText {
			r = rune(p[0]) // the 8-bit form of C1, as in a sequence ended by it
		}
		again := c.broken && r == utf8.RuneError && size == 1
		c.broken = r == utf8.RuneError && size == 1
		p = p[size:]
		if c.passes(r) && !again {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// passes tells whether a rune stays, and notes the state that follows.
func (c *cleaner) passes(r rune) bool {
	if r == '\n' {
		c.state = inText
		return true
	}
	switch c.state {
	case inEscape, inIntermediate:
		switch {
		case c.state == inEscape && begins(r) != inText:
			c.state = begins(r)
			return false
		case r >= 0x20 && r <= 0x2f:
			c.state = inIntermediate
			return false
		case r >= 0x30 && r <= 0x7e:
			c.state = inText
			return false
		}
		c.state = inText // no sequence after all: r stands for itself
	case inCSI:
		switch {
		case r >= 0x20 && r <= 0x3f:
			return false
		case r >= 0x40 && r <= 0x7e:
			c.state = inText
			return false
		}
		c.state = inText
	case inStringEscape:
		if r == '\\' {
			c.state = inText
			return false
		}
		c.state = inEscape
		return c.passes(r)
	case inString:
		switch r {
		case 0x07, 0x9c:
			c.state = inText
		case 0x1b:
			c.state = inStringEscape
		}
		return false
	}
	switch {
	case r == 0x1b:
		c.state = inEscape
	case r >= 0x80 && r < 0xa0:
		c.state = begins(r - 0x40) // C1 is ESC and this
	}
	return r == '\t' || r >= 0x20 && r != 0x7f && (r < 0x80 || r >= 0xa0) && !turns(r)
}

// begins is the state behind ESC and r.
func begins(r rune) state {
	switch r {
	case '[':
		return inCSI
	case ']', 'P', 'X', '^', '_':
		return inString
	}
	return inText
}

// turns tells whether a rune changes the direction of writing or breaks a line in a log
// viewer. Such a rune would show the following text in another place.
func turns(r rune) bool {
	switch {
	case r == 0x061c, r == 0x200e, r == 0x200f, r == 0xfeff:
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
	case r == 0x2028, r == 0x2029:
	default:
		return false
	}
	return true
}
