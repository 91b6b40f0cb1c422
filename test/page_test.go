package test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// page is one page of documentation.
type page struct {
	// name is the page's path from the top of the repository.
	name string
	// anchors are the names that a link can have behind its #.
	anchors map[string]bool
	links   []quoted
	// spans are the pieces of code in running text.
	spans  []quoted
	blocks []block
	// prose are the paragraphs, list items and cells of tables. Each piece of code in them is
	// one word.
	prose []quoted
}

// quoted is a piece of text with its line.
type quoted struct {
	text string
	line int
}

// block is a fenced block of code.
type block struct {
	quoted
	// info are the words behind the fence, the language first.
	info []string
}

func (b block) is(language string) bool { return len(b.info) > 0 && b.info[0] == language }

// pages returns all pages of the repository by name.
func pages(t *testing.T) map[string]page {
	t.Helper()
	all := map[string]page{}
	eachFile(t, ".md", func(name string, source []byte) { all[name] = readPage(name, source) })
	if _, ok := all["README.md"]; !ok || len(all) < 5 {
		t.Fatalf("only %d pages were found", len(all))
	}
	return all
}

// eachFile visits the repository's own files of an extension.
func eachFile(t *testing.T, extension string, visit func(name string, source []byte)) {
	t.Helper()
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "dist", "testdata"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(file) != extension:
			return nil
		}
		source, err := os.ReadFile(file)
		visit(filepath.ToSlash(strings.TrimPrefix(file, "../")), source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readPage(name string, source []byte) page {
	p := page{name: name, anchors: map[string]bool{}}
	at := func(offset int) int { return bytes.Count(source[:offset], []byte("\n")) + 1 }
	line := 1
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeBlock && n.Lines().Len() > 0 {
			line = at(n.Lines().At(0).Start)
		}
		switch n := n.(type) {
		case *ast.Heading:
			p.anchors[unusedAnchor(p.anchors, anchorOf(plainText(n, source)))] = true
		case *ast.Link:
			p.links = append(p.links, quoted{string(n.Destination), line})
		case *ast.Image:
			p.links = append(p.links, quoted{string(n.Destination), line})
		case *ast.AutoLink:
			p.links = append(p.links, quoted{string(n.URL(source)), line})
		case *ast.Paragraph, *ast.TextBlock, *extensionast.TableCell:
			p.prose = append(p.prose, quoted{proseOf(n, source), line})
		case *ast.CodeSpan:
			p.spans = append(p.spans, quoted{plainText(n, source), line})
		case *ast.FencedCodeBlock:
			b := block{quoted: quoted{string(n.Lines().Value(source)), line}}
			if n.Info != nil {
				b.info = strings.Fields(string(n.Info.Segment.Value(source)))
			}
			p.blocks = append(p.blocks, b)
		}
		return ast.WalkContinue, nil
	})
	return p
}

func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				b.Write(n.Segment.Value(source))
			}
		case *ast.String:
			if entering {
				b.Write(n.Value)
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// anchorOf is the anchor that GitLab and GitHub give a heading.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}

// unusedAnchor numbers headings of the same words.
func unusedAnchor(used map[string]bool, anchor string) string {
	name := anchor
	for i := 1; used[name]; i++ {
		name = anchor + "-" + strconv.Itoa(i)
	}
	return name
}

// inRepository resolves a page's link to a file of this repository.
func (p page) inRepository(link string) string {
	if file, ok := strings.CutPrefix(link, "/"); ok {
		return path.Clean(file)
	}
	return path.Join(path.Dir(p.name), link)
}
