package test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// advice are the sections of docs/security.md that promise nothing: they say who is
// who, and what an admin can do.
var advice = []string{"Who is who", "Choosing", "Keeping sandboxes from the host and the cloud"}

// proof is where a claim names its tests, at its end.
var proof = regexp.MustCompile(`\(((?:Test|Fuzz)\w+(?:, (?:Test|Fuzz)\w+)*)\)`)

// Whoever reads docs/security.md decides by it whom to let onto a host. So every
// item of a list that promises something names a test that there is, and so does
// the text beside each table. What is open stands below a heading of that name.
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
