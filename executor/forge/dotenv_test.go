package forge

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// packed packs a report of several files as the helper does.
func packed(files ...string) []byte {
	var b bytes.Buffer
	for _, f := range files {
		zip := gzip.NewWriter(&b)
		_, _ = zip.Write([]byte(f))
		zip.Close()
	}
	return b.Bytes()
}

func TestVariablesThatAJobReports(t *testing.T) {
	s := serve(t, repository(t))
	s.Runs(7)
	if got := upload(t, s, 7, "dotenv", string(packed("A=1\nB=2\n", "B=3\n"))); got != http.StatusCreated {
		t.Errorf("the answer is %d", got)
	}
	if got := s.Dotenv(7); !slices.Equal(got, []Pair{{"A", "1"}, {"B", "3"}}) || s.Has(7) || s.Refused(7) != "" {
		t.Errorf("it reports %v, archive: %v, refused: %q", got, s.Has(7), s.Refused(7))
	}
	s.Runs(8)
	noise := make([]byte, 2*maxDotenv)
	for i := range noise {
		noise[i] = byte('0' + rand.IntN(75))
	}
	for name, content := range map[string][]byte{
		"what is not packed":     []byte("A=1\n"),
		"what is cut off":        packed("A=1\n")[:15],
		"a bomb":                 packed("A=" + strings.Repeat("a", maxUnpacked)),
		"what is too big packed": packed("A=" + strings.ReplaceAll(string(noise), "\n", "")),
		"a comment":              packed("# A\n"),
	} {
		if got := upload(t, s, 8, "dotenv", string(content)); got != http.StatusBadRequest || s.Refused(8) == "" || s.Dotenv(8) != nil {
			t.Errorf("%s: the answer is %d, refused: %q", name, got, s.Refused(8))
		}
	}
}

func TestReportsAreReadAsGitLabReadsThem(t *testing.T) {
	many := func(n int) (text string) {
		for i := range n {
			text += fmt.Sprintf("A%d=\n", i)
		}
		return text
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                   {"", ""},
		"a line without an end":     {"A=1", "A=1"},
		"no quotes are taken off":   {"A=\"1\"\nB='2'\n", `A="1" B='2'`},
		"nothing is replaced":       {"A=$B\n", "A=$B"},
		"an equals sign":            {"A=b=c\n", "A=b=c"},
		"space around":              {" A = 1 \r\n", "A=1"},
		"an empty value":            {"A=\n", "A="},
		"the last counts":           {"A=1\nB=2\nA=3\n", "A=3 B=2"},
		"a name that is a number":   {"1=2\n", "1=2"},
		"a byte order mark":         {"\ufeffA=1\n", "A=1"},
		"UTF-16 of PowerShell":      {"\xff\xfeA\x00=\x001\x00\r\x00\n\x00", "A=1"},
		"UTF-16, the other way":     {"\xfe\xff\x00A\x00=\x00\xe9\x00\n", "A=é"},
		"what is no text":           {"A=\xff\n", "A=\ufffd"},
		"as many as there can be":   {many(150), strings.ReplaceAll(strings.TrimSpace(many(150)), "\n", " ")},
		"more":                      {many(151), "error"},
		"an empty line":             {"A=1\n\nB=2\n", "error"},
		"an empty line at the end":  {"A=1\n\n", "error"},
		"a comment":                 {"# about A\nA=1\n", "error"},
		"a comment with equals":     {"#A=1\n", "error"},
		"export":                    {"export A=1\n", "error"},
		"a name with a dash":        {"A-B=1\n", "error"},
		"no name":                   {"=1\n", "error"},
		"the second line of a text": {"A=\"1\n2\"\n", "error"},
		"a long name":               {strings.Repeat("A", 256) + "=1\n", "error"},
	} {
		pairs, err := parseDotenv([]byte(c.text))
		var got []string
		for _, p := range pairs {
			got = append(got, p.Key+"="+p.Value)
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = "error"
		}
		if text != c.want {
			t.Errorf("%s: %q (%v), want %q", name, text, err, c.want)
		}
	}
}
