package test

import (
	"go/scanner"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark/ast"
)

const (
	// longestSentence and longestReadme are in words.
	longestSentence = 25
	longestReadme   = 1000
	// mostPronouns bounds the pronouns in a hundred words of comments. Good projects have 2 to
	// 4, so the number may only go down.
	mostPronouns = 2.5
)

func TestSentencesOfPagesAreShort(t *testing.T) {
	for name, p := range pages(t) {
		if strings.HasPrefix(name, ".gitlab/") {
			continue
		}
		var long []string
		for _, paragraph := range p.prose {
			for _, sentence := range sentencesOf(paragraph.text) {
				if words(sentence) > longestSentence {
					long = append(long, sentence)
				}
			}
		}
		if len(long) > 0 {
			t.Errorf("%s has %d sentences of more than %d words:\n%s", name, len(long), longestSentence, strings.Join(long, "\n"))
		}
	}
}

func TestTheReadmeIsShort(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := words(string(text)); n > longestReadme {
		t.Errorf("it has %d words, of which %d are too many", n, n-longestReadme)
	}
}

// The subject of a sentence is a noun. A pronoun makes the reader search for its meaning.
func TestCommentsNameWhatTheyMean(t *testing.T) {
	pronouns := []string{"what", "that", "it", "one", "those", "whoever"}
	all, found := 0, 0
	eachFile(t, ".go", func(_ string, source []byte) {
		for _, word := range wordsOfComments(source) {
			all++
			if slices.Contains(pronouns, word) {
				found++
			}
		}
	})
	if share := 100 * float64(found) / float64(all); all == 0 || share > mostPronouns {
		t.Errorf("comments have %.2f of %q in 100 words, and may have %.1f", share, pronouns, mostPronouns)
	}
}

func wordsOfComments(source []byte) (all []string) {
	files := token.NewFileSet()
	var s scanner.Scanner
	s.Init(files.AddFile("", files.Base(), len(source)), source, nil, scanner.ScanComments)
	for {
		_, kind, text := s.Scan()
		switch {
		case kind == token.EOF:
			return all
		case kind == token.COMMENT && !strings.HasPrefix(text, "//go:"):
			all = append(all, strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' })...)
		}
	}
}

// sentenceEnd is the end of a sentence and the beginning of the next.
var sentenceEnd = regexp.MustCompile(`[.!?][)"*_]*\s+[("*_]*[A-Z0-9]`)

func sentencesOf(text string) (all []string) {
	for {
		at := sentenceEnd.FindStringIndex(text)
		if at == nil {
			return append(all, text)
		}
		end := at[1] - 1
		all, text = append(all, strings.TrimSpace(text[:end])), text[end:]
	}
}

// words counts the words of a text. A piece of punctuation alone is no word.
func words(text string) (n int) {
	for _, word := range strings.Fields(text) {
		if strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			n++
		}
	}
	return n
}

// proseOf is the text of a paragraph. Each piece of code stands as one word, which may begin a
// sentence.
func proseOf(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.CodeSpan:
			b.WriteString("Code")
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

func TestSentencesAreToldApart(t *testing.T) {
	for text, want := range map[string]int{
		"One. Two! Three?": 3, "Version 1.2 of it (it is new.) And more": 2, "Code is one. Code is another": 2, "no end": 1, "e.g. this": 1,
	} {
		if got := sentencesOf(text); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if n := words("a - b | c, 1"); n != 4 {
		t.Errorf("%d words", n)
	}
}
