package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sources calls visit with every Go file of the program, without tests and what
// lies below test and scripts.
func sources(t *testing.T, visit func(path string, set *token.FileSet, file *ast.File)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel("..", path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains([]string{"test", "scripts", "bin", "dist", "testdata"}, rel) || strings.HasPrefix(d.Name(), ".") && rel != "."):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		visit(filepath.ToSlash(rel), set, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Fatalf("only %d files were looked at", seen)
	}
}

// A client of one's own would follow a redirect to whatever a sidecar names, from
// the host and as root.
func TestOnlyOneClientAsksWhomItDoesNotTrust(t *testing.T) {
	own := []string{"Client", "Transport", "Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport"}
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		if strings.HasPrefix(path, "wary/") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			// A pointer to one may be held or handed on: it was made by wary.
			if star, ok := n.(*ast.StarExpr); ok {
				_, selected := star.X.(*ast.SelectorExpr)
				return !selected
			}
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == "http" && slices.Contains(own, s.Sel.Name) {
					t.Errorf("%s uses http.%s: take wary.Client", set.Position(n.Pos()), s.Sel.Name)
				}
			}
			return true
		})
	})
}
