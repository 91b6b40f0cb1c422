package test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// advice are the sections of docs/security.md without promises: they name the parties, and ways
// for an admin to protect a host.
var advice = []string{"Who is who", "Choosing", "Keeping sandboxes from the host and the cloud"}

// proof is a claim's list of tests, at its end.
var proof = regexp.MustCompile(`\(((?:Test|Fuzz)\w+(?:, (?:Test|Fuzz)\w+)*)\)`)

// Readers of docs/security.md decide by the page whom to let onto a host. So every list item
// with a promise names an existing test, and so does the text beside each table. Open
// weaknesses stand below the heading "What remains".
func TestEveryClaimOfTheSecurityPageHasATest(t *testing.T) {
	doc, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := declaredTests(t)
	claims := 0
	for section := range strings.SplitSeq(string(doc), "\n## ") {
		title, body, _ := strings.Cut(section, "\n")
		promises := true
		for _, a := range advice {
			promises = promises && title != a
		}
		table, proved := false, false
		fenced := false
		for line := range strings.SplitSeq(body, "\n") {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if name, ok := strings.CutPrefix(line, "### "); ok {
				promises = name != "What remains"
			}
			names := proof.FindAllStringSubmatch(line, -1)
			for _, list := range names {
				claims++
				for name := range strings.SplitSeq(list[1], ", ") {
					if !tests[name] {
						t.Errorf("section %q: there is no test %q", title, name)
					}
				}
			}
			proved = proved || len(names) > 0
			table = table || strings.HasPrefix(line, "|")
			if promises && !fenced && strings.HasPrefix(line, "- ") && len(names) == 0 {
				t.Errorf("section %q: no test is named for %q", title, line)
			}
		}
		if table && !proved {
			t.Errorf("section %q: no test is named for its table", title)
		}
	}
	if claims < 20 {
		t.Errorf("only %d claims with tests were found", claims)
	}
}
