package test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// TestEveryTableIsWhole renders each page and compares its tables with the source. A blank
// line, a missing line of dashes or a stray | breaks a table silently. Rows become running
// text, or cells vanish.
func TestEveryTableIsWhole(t *testing.T) {
	seen := 0
	for name := range pages(t) {
		source, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		faults, tables := tableFaults(source)
		seen += tables
		for _, f := range faults {
			t.Errorf("%s:%d: %s", name, f.line, f.text)
		}
	}
	if seen < 20 {
		t.Errorf("only %d tables were found on all pages", seen)
	}
}

func TestBrokenTablesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		line   int
	}{
		"a blank line":           {"| a | b |\n|---|---|\n| 1 | 2 |\n\n| 3 | 4 |\n", 5},
		"no line of dashes":      {"| a | b |\n| 1 | 2 |\n", 1},
		"one dash cell too few":  {"| a | b |\n|---|\n| 1 | 2 |\n", 1},
		"a | in a cell":          {"| a | b |\n|---|---|\n| 1 | x || y |\n", 3},
		"a | in code":            {"| a | b |\n|---|---|\n| 1 | `x|y` |\n", 3},
		"a cell too few":         {"| a | b |\n|---|---|\n| 1 |\n", 3},
		"text right behind rows": {"| a | b |\n|---|---|\n| 1 | 2 |\ntext\n", 4},
	} {
		faults, _ := tableFaults([]byte(c.source))
		if len(faults) == 0 || faults[0].line != c.line {
			t.Errorf("%s: %v, want a fault in line %d", name, faults, c.line)
		}
	}
	whole := "text | text\n\n| a | b |\n|:--|--:|\n| 1 | `x\\|y` |\n| | 2 |\n\n```\n| not | a | table |\n```\n"
	if faults, tables := tableFaults([]byte(whole)); len(faults) != 0 || tables != 1 {
		t.Errorf("a whole table: %v, %d tables", faults, tables)
	}
}

// tableFaults returns the faults of a page's tables, by line, and counts the tables.
func tableFaults(source []byte) (faults []quoted, tables int) {
	at := func(offset int) int { return bytes.Count(source[:offset], []byte("\n")) + 1 }
	lines := strings.Split(string(source), "\n")
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *extast.Table:
			tables++
			first, last := at(firstOffset(n.FirstChild())), at(firstOffset(n.LastChild()))
			for line := first; line <= last; line++ {
				row := strings.TrimSpace(lines[line-1])
				switch {
				case !strings.HasPrefix(row, "|") || !strings.HasSuffix(row, "|"):
					faults = append(faults, quoted{"this line became a row of the table above it: leave a line blank before it", line})
				case cells(row) != len(n.Alignments):
					faults = append(faults, quoted{"this row has not as many cells as its table: write \\| for a | in a cell", line})
				}
			}
			return ast.WalkSkipChildren, nil
		case *ast.Paragraph:
			for i := range n.Lines().Len() {
				segment := n.Lines().At(i)
				if bytes.HasPrefix(bytes.TrimSpace(segment.Value(source)), []byte("|")) {
					faults = append(faults, quoted{"this row of a table is shown as text: a table needs a header and a line of dashes", at(segment.Start)})
					break
				}
			}
		}
		return ast.WalkContinue, nil
	})
	return faults, tables
}

// firstOffset is the offset in the source where the text of a node or its children begins.
func firstOffset(n ast.Node) int {
	offset := -1
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering && n.Type() == ast.TypeBlock && n.Lines() != nil && n.Lines().Len() > 0 {
			offset = n.Lines().At(0).Start
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return max(offset, 0)
}

// cells counts the cells of a row that begins and ends with a |.
func cells(row string) int {
	return strings.Count(strings.ReplaceAll(row, `\|`, ""), "|") - 1
}
