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

// sources calls visit with every Go file of the program, without its tests and without the
// folders test and scripts.
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

// Another HTTP client would follow a sidecar's redirect to any address, from the host and as
// root.
func TestOnlyOneClientAsksWhomItDoesNotTrust(t *testing.T) {
	own := []string{"Client", "Transport", "Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultTransport"}
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		if strings.HasPrefix(path, "wary/") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			// A pointer to a client may be held or handed on, because wary made the client.
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

// The functions that write past the cleaned outputs are named here, with their reasons.
func TestWhatIsShownAsItIsHasAReason(t *testing.T) {
	reasons := map[string]string{
		"Main":         "it makes the cleaned outputs of them",
		"runStage":     "the script's output is the job's",
		"runJob":       "the script's output is the job's",
		"tellHeld":     "a job log, which cleans its lines",
		"showStatus":   "clears the screen for --watch",
		"try":          "the log of a job that try runs",
		"columns":      "nothing is written: the terminal is asked for its width",
		"logsCommand":  "a file gets a container's log as it is, a terminal does not: see shown",
		"shellCommand": "a person's terminal is handed over to a shell in a container",
		"onTerminal":   "asks whether it is a terminal",
		"showing":      "draws a bar below lines, which are cleaned",
	}
	found := map[string]bool{}
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		if !strings.HasPrefix(path, "executor/") {
			return
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				name := ""
				switch n := n.(type) {
				case *ast.SelectorExpr:
					name = n.Sel.Name
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok {
						name = key.Name
					}
				}
				if name == "raw" {
					found[f.Name.Name] = true
					if reasons[f.Name.Name] == "" {
						t.Errorf("%s: %s writes what others say as it is: take stdout or stderr, or give a reason", set.Position(n.Pos()), f.Name.Name)
					}
				}
				return true
			})
		}
	})
	for name := range reasons {
		if !found[name] {
			t.Errorf("%s needs no reason any more", name)
		}
	}
}

// The process's own outputs are cleaned once, in Main.
func TestOnlyMainWritesToTheProcessesOutputs(t *testing.T) {
	sources(t, func(path string, set *token.FileSet, file *ast.File) {
		if path == "main.go" {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if pkg, ok := s.X.(*ast.Ident); ok && (pkg.Name == "os" && (s.Sel.Name == "Stdout" || s.Sel.Name == "Stderr") || pkg.Name == "fmt" && (s.Sel.Name == "Print" || s.Sel.Name == "Println" || s.Sel.Name == "Printf")) {
					t.Errorf("%s writes by itself: take the call's stdout or stderr", set.Position(n.Pos()))
				}
			}
			return true
		})
	})
}
