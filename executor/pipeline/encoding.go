package pipeline

import (
	"bytes"
	"unicode/utf8"
)

// mark is the byte order mark of some editors, in UTF-8.
var mark = []byte("\ufeff")

// inUTF8 returns a file's text without a byte order mark. marked tells whether a mark stood
// right before the first entry. Files of another encoding are refused: GitLab's reading
// depends on its guess of the encoding.
func inUTF8(file string, text []byte) (rest []byte, marked bool, err error) {
	const how = "save it as UTF-8"
	zero := bytes.IndexByte(text, 0)
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return nil, false, faultAt(file, 1, how, "it is in UTF-16 or UTF-32")
	case zero >= 0:
		return nil, false, faultAt(file, 1+bytes.Count(text[:zero], []byte("\n")), how, "there is a byte 0 in it, as in UTF-16")
	case !utf8.Valid(text):
		return nil, false, faultAt(file, invalidLine(text), how, "it is not UTF-8")
	}
	rest, marked = bytes.CutPrefix(text, mark)
	first, _, _ := bytes.Cut(rest, []byte("\n"))
	first = bytes.TrimSpace(first)
	return rest, marked && len(first) > 0 && first[0] != '#', nil
}

// warnOfMark warns of a file that older GitLabs read differently. libyaml counts the mark
// as the first column, so entries further down that begin in this column stand outside.
// Psych drops the mark since 5.4.
func (r *reader) warnOfMark(file string, docs []*node) {
	if len(docs) > 1 || len(docs) == 1 && len(docs[0].entries) > 1 {
		r.warnf("%s: it begins with a byte order mark: a GitLab whose Psych is older than 5.4 reads its first entry alone; save it without the mark", file)
	}
}

// invalidLine returns the number of the first line that is not UTF-8.
func invalidLine(text []byte) int {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if !utf8.Valid(line) {
			return i + 1
		}
	}
	return 1
}
