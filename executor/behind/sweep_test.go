package behind

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestManySandboxesAreNotLookedOverByEachJob(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		text string
		ago  time.Duration
		want bool
	}{
		"a few, just now":          {"32\n", 0, true},
		"many, just now":           {"500\n", time.Second, false},
		"many, a while ago":        {"500\n", 8 * time.Second, true},
		"very many, a minute ago":  {"100000\n", time.Minute, true},
		"by a clock that is off":   {"500\n", -time.Hour, true},
		"what nobody has written":  {"x\n", 0, true},
		"nothing":                  {"", 0, true},
		"more than anybody writes": {"5000000000000000000000\n", 0, true},
	} {
		dir := t.TempDir()
		stamp := filepath.Join(dir, sweptStamp)
		if err := os.WriteFile(stamp, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(stamp, now.Add(-c.ago), now.Add(-c.ago)); err != nil {
			t.Fatal(err)
		}
		if got := SweepDue(dir, now); got != c.want {
			t.Errorf("%s: due is %t", name, got)
		}
	}
}

func TestOneOfManyJobsLooks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if !SweepDue(dir, time.Now()) {
		t.Error("the first job does not look")
	}
	Swept(dir, 500)
	if SweepDue(dir, time.Now()) {
		t.Error("the next job looks at once")
	}
	later := time.Now().Add(10 * time.Second)
	if err := os.Chtimes(filepath.Join(dir, sweptStamp), later.Add(-20*time.Second), later.Add(-20*time.Second)); err != nil {
		t.Fatal(err)
	}
	if !SweepDue(dir, later) || SweepDue(dir, time.Now()) {
		t.Error("ten seconds later not one of two jobs looks")
	}
	Swept(dir, 3)
	if !SweepDue(dir, time.Now()) {
		t.Error("with three sandboxes a job does not look")
	}
	for _, nowhere := range []string{"", "/proc/gitlab-dind-executor"} {
		Swept(nowhere, 500)
		if !SweepDue(nowhere, time.Now()) {
			t.Errorf("no job looks with the state in %q", nowhere)
		}
	}
}
