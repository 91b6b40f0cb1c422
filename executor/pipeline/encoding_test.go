package pipeline

import (
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf16"
)

// inUTF16 returns a text in UTF-16, as some editors save files.
func inUTF16(text string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, u := range utf16.Encode([]rune(text)) {
		b.WriteByte(byte(u))
		b.WriteByte(byte(u >> 8))
	}
	return b.String()
}

func TestFilesOfEveryEditor(t *testing.T) {
	const two = "build: {script: [a]}\ntest: {script: [b]}\n"
	for name, c := range map[string]struct {
		text, include string
		want, warning string
	}{
		"a byte order mark":                  {"\ufeff" + two, "", "build test", "begins with a byte order mark"},
		"one before a comment":               {"\ufeff# mine\n" + two, "", "build test", ""},
		"one before an empty line":           {"\ufeff\r\n" + two, "", "build test", ""},
		"one before the first document":      {"\ufeff---\n" + two, "", "build test", "begins with a byte order mark"},
		"one before the only entry":          {"\ufeffbuild:\n  script:\n    - echo built\n", "", "build", ""},
		"one in an include":                  {"include: b.yml\nbuild: {script: [a]}\n", "\ufefftest:\n  script: [b]\n.x: {}\n", "test build", "b.yml: it begins"},
		"a mark in the text":                 {"build: {script: [\"a\ufeffb\"]}\n", "", "build", ""},
		"lines that end with CRLF":           {strings.ReplaceAll(two, "\n", "\r\n"), "", "build test", ""},
		"a mark and CRLF":                    {"\ufeff" + strings.ReplaceAll("build:\n  script:\n    - a\n    - |\n      b\n      c\n", "\n", "\r\n"), "", "build", ""},
		"UTF-16":                             {inUTF16(two), "", "error: .gitlab-ci.yml:1: it is in UTF-16 or UTF-32", ""},
		"UTF-16, the other way round":        {"\xfe\xff\x00b\x00:", "", "error: .gitlab-ci.yml:1: it is in UTF-16 or UTF-32", ""},
		"UTF-16 without a mark":              {"b\x00:\x00", "", "error: .gitlab-ci.yml:1: there is a byte 0 in it, as in UTF-16", ""},
		"Latin-1":                            {"build:\n  script: [\"gr\xfc\xdfe\"]\n", "", "error: .gitlab-ci.yml:2: it is not UTF-8", ""},
		"nothing but a mark":                 {"\ufeff", "", "error: .gitlab-ci.yml: the file is empty", ""},
		"tabs that indent":                   {"build:\n\tscript: [a]\n", "", "error: .gitlab-ci.yml:2: invalid YAML", ""},
		"two documents, of which one counts": {two + "---\nother: {script: [c]}\n", "", "build test", ""},
		"a leading divider":                  {"---\n" + two, "", "build test", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{".gitlab-ci.yml": {Data: []byte(c.text)}, "b.yml": {Data: []byte(c.include)}}
			p, err := Read(t.Context(), files, ".gitlab-ci.yml", input)
			var got []string
			for _, j := range p.Jobs {
				got = append(got, j.Name)
			}
			text := strings.Join(got, " ")
			if err != nil {
				text = "error: " + err.Error()
			}
			if !strings.HasPrefix(text, c.want) || err == nil && text != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
			if warnings := strings.Join(p.Warnings, "\n"); c.warning == "" && warnings != "" || !strings.Contains(warnings, c.warning) {
				t.Errorf("it warns %q", warnings)
			}
			for _, j := range p.Jobs {
				if strings.Contains(strings.Join(j.Script, ""), "\r") {
					t.Errorf("a script has a carriage return: %q", j.Script)
				}
			}
		})
	}
}
