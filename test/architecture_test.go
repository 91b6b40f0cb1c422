package test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/looking"
)

// picture returns the text of the diagram below a heading of docs/architecture.md.
func picture(t *testing.T, heading string) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "## "+heading+"\n")
	_, rest, _ = strings.Cut(rest, "```mermaid\n")
	text, _, found := strings.Cut(rest, "\n```\n")
	if !found {
		t.Fatalf("docs/architecture.md has no picture below %q", heading)
	}
	return text
}

// The picture of the packages shows the rules for their imports, without the imports that
// follow from others.
func TestThePictureOfThePackagesIsThatOfTheirImports(t *testing.T) {
	text := picture(t, "The packages")
	named := map[string]string{"main": ""}
	for _, m := range regexp.MustCompile(`(\w+)\["([a-z/]+)(?:<br/>[^"]*)?"\]`).FindAllStringSubmatch(text, -1) {
		named[m[1]] = m[2]
	}
	drawn := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(\w+)(?:\["[^"]*"\])? --> (\w+)`).FindAllStringSubmatch(text, -1) {
		from, known := named[m[1]]
		to, alsoKnown := named[m[2]]
		if !known || !alsoKnown {
			t.Errorf("%s --> %s: one of them is no package", m[1], m[2])
		}
		drawn[from+" --> "+to] = true
	}
	want := map[string]bool{}
	for from, may := range mayImport {
		for _, to := range may {
			direct := !slices.ContainsFunc(may, func(over string) bool { return over != to && imports(over, to) })
			if direct && !strings.HasPrefix(from, "test/") {
				want[from+" --> "+to] = true
			}
		}
	}
	for edge := range want {
		if !drawn[edge] {
			t.Errorf("docs/architecture.md does not show %q", edge)
		}
	}
	for _, edge := range slices.Sorted(maps.Keys(drawn)) {
		if !want[edge] {
			t.Errorf("docs/architecture.md shows %q, which is no rule of deps_test.go, or follows from others", edge)
		}
	}
}

// imports tells whether a package may import another, directly or by way of others.
func imports(from, to string) bool {
	return slices.ContainsFunc(mayImport[from], func(over string) bool { return over == to || imports(over, to) })
}

func TestThePictureOfASandboxsLifeHasItsStates(t *testing.T) {
	text := picture(t, "The life of a sandbox")
	shown := map[looking.State]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(\S+) --> ([^\s:]+)`).FindAllStringSubmatch(text, -1) {
		for _, name := range m[1:] {
			if name != "[*]" {
				shown[looking.State(name)] = true
			}
		}
	}
	states := []looking.State{looking.Making, looking.Booting, looking.Running, looking.Waits, looking.Bare, looking.Held, looking.Going, looking.Orphan, looking.Doubtful}
	for _, s := range states {
		if !shown[s] {
			t.Errorf("docs/architecture.md does not show the state %s", s)
		}
		delete(shown, s)
	}
	for s := range shown {
		t.Errorf("docs/architecture.md shows the state %s, which there is not", s)
	}
}
