package local

import (
	"bytes"
	"strings"
	"testing"
)

func TestSecretsAreMaskedWhereverAWriteEnds(t *testing.T) {
	const in = "a secret, a secretive secret, sec, ret, s\naab aaab glpat-AbC.1_x= glpat- glpat-\n"
	const want = "a [MASKED], a [MASKED] [MASKED], sec, ret, s\n[MASKED] a[MASKED] glpat-[MASKED] glpat- glpat-\n"
	list := secrets([]string{"secret", "", "secretive", "aab", " aab "}, []string{"glpat-"})
	for size := 1; size <= len(in); size++ {
		var out bytes.Buffer
		m := &masker{next: &out, secrets: list}
		for rest := in; rest != ""; {
			n := min(size, len(rest))
			if written, err := m.Write([]byte(rest[:n])); written != n || err != nil {
				t.Fatalf("Write is %d, %v", written, err)
			}
			rest = rest[n:]
		}
		if err := m.flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Fatalf("in writes of %d bytes the log is\n%q, want\n%q", size, out.String(), want)
		}
	}
}

func TestTheBeginningOfASecretAtTheEndIsShown(t *testing.T) {
	var out bytes.Buffer
	m := &masker{next: &out, secrets: secrets([]string{"secret"}, []string{"glpat-"})}
	for _, s := range []string{"glpat-", "abc", " sec"} {
		if _, err := m.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.flush(); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "glpat-[MASKED] sec" {
		t.Errorf("the log is %q", got)
	}
}

func TestTheJobLogShowsNoSecret(t *testing.T) {
	all := act{Stdout: "out correct-horse token-of-job-7301 kitchen-abc\n", Stderr: "err correct-horse\n"}
	config := act{Stdout: answer, Stderr: "config correct-horse\n"}
	g := newRig(t, map[string][]act{
		"config": {config}, "prepare": {all}, "build_script": {all}, "after_script": {all}, "cleanup": {all},
	})
	g.run(fixture(t))
	log := g.log.String()
	for _, s := range []string{"correct-horse", "token-of-job", "kitchen-abc"} {
		if strings.Contains(log, s) {
			t.Errorf("the log shows %q:\n%s", s, log)
		}
	}
	inOrder(t, log, "config [MASKED]", "out [MASKED] [MASKED] kitchen-[MASKED]")
	// Only the output of cleanup is not masked.
	if !strings.Contains(g.runnerLog.String(), "cleanup out: out correct-horse") {
		t.Errorf("the Runner's log is %q", g.runnerLog)
	}
}
