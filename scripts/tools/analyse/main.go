// Command analyse finds faults beyond the reach of go vet and staticcheck. These are unused
// values, ignored errors, conversions to a value's own type, names that hide Go's own, and uses
// of nil. The command is a tool for go vet: go vet -vettool=bin/analyse ./...
//
// The command may import analysers only.
package main

import (
	"go/ast"
	"go/token"
	"strings"

	"github.com/golangci/unconvert"
	"github.com/gordonklaus/ineffassign/pkg/ineffassign"
	"github.com/kisielk/errcheck/errcheck"
	"github.com/nishanths/predeclared/passes/predeclared"
	"github.com/sanposhiho/wastedassign/v2"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/reflectvaluecompare"
	"golang.org/x/tools/go/analysis/passes/sortslice"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"golang.org/x/tools/go/analysis/unitchecker"
	"golang.org/x/tools/go/ast/astutil"
)

// conversions reports conversions to a value's own type. It leaves conversions that fix the
// rounding of floating-point numbers.
var conversions = &analysis.Analyzer{
	Name: "conversions",
	Doc:  "reports needless conversions",
	Run: func(pass *analysis.Pass) (any, error) {
		for _, at := range unconvert.Run(pass) {
			for _, f := range pass.Files {
				if file := pass.Fset.File(f.Package); file.Name() == at.Filename {
					pass.Reportf(file.LineStart(at.Line), "needless conversion in column %d", at.Column)
				}
			}
		}
		return nil, nil
	},
}

// unread reports ignored errors. Tests may ignore errors, because a test looks at its own
// subject.
var unread = func() *analysis.Analyzer {
	a := *errcheck.Analyzer
	a.Run = func(pass *analysis.Pass) (any, error) {
		own := *pass
		own.Report = func(d analysis.Diagnostic) {
			if !strings.HasSuffix(pass.Fset.Position(d.Pos).Filename, "_test.go") && !mayBe(pass, d.Pos) {
				pass.Report(d)
			}
		}
		return errcheck.Analyzer.Run(&own)
	}
	return &a
}()

// mayBe tells whether the expression at a position may leave an error unread. A value from a
// channel may, because it can be a mere sign. A call of Close may, after reading, or after a
// failed write, whose error counts. After a successful write the author must look at the error
// of Close by hand.
func mayBe(pass *analysis.Pass, pos token.Pos) bool {
	for _, f := range pass.Files {
		if pos < f.FileStart || f.FileEnd <= pos {
			continue
		}
		path, _ := astutil.PathEnclosingInterval(f, pos, pos+1)
		for _, n := range path {
			switch n := n.(type) {
			case *ast.UnaryExpr:
				return n.Op == token.ARROW
			case *ast.CallExpr:
				method, ok := n.Fun.(*ast.SelectorExpr)
				return ok && n.Lparen == pos && method.Sel.Name == "Close"
			}
		}
	}
	return false
}

// harmless are functions whose errors may go unread.
var harmless = []string{
	// These print for a person, or into a buffer, so there is nobody else to tell.
	"fmt.Fprint", "fmt.Fprintf", "fmt.Fprintln",
	// Leftovers of these are in a temporary folder.
	"os.Remove", "os.RemoveAll",
}

func main() {
	errcheck.DefaultExcludedSymbols = append(errcheck.DefaultExcludedSymbols, harmless...)
	unitchecker.Main(
		conversions,
		unread,
		ineffassign.Analyzer,
		nilness.Analyzer,
		predeclared.Analyzer,
		reflectvaluecompare.Analyzer,
		sortslice.Analyzer,
		unusedwrite.Analyzer,
		wastedassign.Analyzer,
	)
}
