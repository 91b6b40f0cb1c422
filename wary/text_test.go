package wary

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWhatATerminalWouldObeyIsTakenOut(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain text":                        {"starting Docker 28.1.1 (new daemon)\n\tdone", "starting Docker 28.1.1 (new daemon)\n\tdone"},
		"other scripts":                     {"größer 🐳 日本", "größer 🐳 日本"},
		"nothing":                           {"", ""},
		"a colour":                          {"a\x1b[31;1mred\x1b[0;mb", "aredb"},
		"a cursor that goes up":             {"one\x1b[1A\x1b[2Ktwo", "onetwo"},
		"the title of a window":             {"a\x1b]0;title\ab", "ab"},
		"a link":                            {"a\x1b]8;;http://x\x1b\\b\x1b]8;;\x1b\\c", "abc"},
		"the clipboard":                     {"a\x1b]52;c;cm0gLXJm\x1b\\b", "ab"},
		"a device control string":           {"a\x1bP$q\"p\x1b\\b", "ab"},
		"a privacy message and its like":    {"a\x1b^x\x1b\\b\x1b_y\x1b\\c\x1bXz\x1b\\d", "abcd"},
		"a reset":                           {"a\x1bcb", "ab"},
		"a character set":                   {"a\x1b(0b", "ab"},
		"C1 as UTF-8":                       {"a\u009b31mb\u009dx\u009cc\u0085d", "abcd"},
		"C1 as bytes":                       {"a\x9b31mb", "a\ufffd31mb"},
		"a string that a C1 byte ends":      {"a\x1b]0;x\x9cb", "ab"},
		"no sequence after all":             {"a\x1b\x01b", "ab"},
		"a sequence in a sequence":          {"a\x1b[3\x1b[31mb", "ab"},
		"a string that an escape breaks":    {"a\x1b]0;x\x1b[31mb", "ab"},
		"what never ends":                   {"a\x1b]0;x\nnext line", "a\nnext line"},
		"a sequence at the end":             {"a\x1b[3", "a"},
		"a carriage return":                 {"error: none\rok", "error: noneok"},
		"a line of another system":          {"one\r\ntwo", "one\ntwo"},
		"backspaces, bells, delete":         {"a\b\a\x7f\x00b", "ab"},
		"marks that turn writing":           {"a\u202eb\u2066c\u200fd\u061ce", "abcde"},
		"line and paragraph separators":     {"a\u2028b\u2029c\ufeffd", "abcd"},
		"bytes that are no UTF-8":           {"a\xff\xfeb\xc3", "a\ufffdb\ufffd"},
		"an emoji of several":               {"👩\u200d🔧", "👩\u200d🔧"},
		"a marker of a section in GitLab's": {"\x1b[0Ksection_start:1:x\r\x1b[0Khidden", "section_start:1:xhidden"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Text(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := Line(" one\n\x1b[2J two\t\r\n three "); got != "one two three" {
		t.Errorf("on one line it is %q", got)
	}
}

// FuzzText holds the promise: no character that a terminal obeys is left, and the cut of a
// text into pieces makes no difference.
func FuzzText(f *testing.F) {
	for _, s := range []string{"a\x1b[31mb", "\u009dx\x1b\\", "é\xc3", "\x1b]0;\n", "\x1b\x1b[[m"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, s string, cut int) {
		text := Text(s)
		for _, r := range text {
			if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || turns(r) {
				t.Fatalf("%q leaves %q", s, r)
			}
		}
		if !utf8.ValidString(text) || Text(text) != text {
			t.Fatalf("%q becomes %q", s, text)
		}
		if strings.Count(text, "\n") != strings.Count(s, "\n") {
			t.Fatalf("%q has other lines as %q", s, text)
		}
		cut = max(0, min(cut, len(s)))
		var out strings.Builder
		w := Writer(&out)
		for _, piece := range []string{s[:cut], s[cut:]} {
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		// The start of a rune at the end waits for the rest.
		if out.String() != text && out.String()+string(utf8.RuneError) != text {
			t.Fatalf("%q in two pieces is %q, want %q", s, out.String(), text)
		}
	})
}
