package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/fault"
)

// before is a file with key names from before the first release.
const before = "[cleanup]\ngrace = \"1m\"\nkeep_failed = \"30m\"\n\n[bundles]\nkeep = \"1h\"\n"

func TestAFileWithNamesOfBeforeServesAndIsToldOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	got, warnings, err := LoadWarned(file)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Cleanup.Grace, want.Cleanup.HoldFailed, want.Bundles.MaxAge = Duration(time.Minute), Duration(30*time.Minute), Duration(time.Hour)
	if diff := cmp.Diff(want, got, sameSettings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if now, err := Load(file); err != nil || now.Digest() != want.Digest() {
		t.Errorf("the same settings have another digest: %v", err)
	}
	if said := []string{
		file + ":3: cleanup.keep_failed is called cleanup.hold_failed now",
		file + ":6: bundles.keep is called bundles.max_age now",
	}; !slices.Equal(warnings, said) {
		t.Errorf("warnings %q, want %q", warnings, said)
	}
}

func TestBothNamesOfASettingAreAFault(t *testing.T) {
	for order, src := range map[string]string{
		"the one of before first": "[cleanup]\nkeep_failed = \"30m\"\nhold_failed = \"30m\"\n",
		"the one of before last":  "[cleanup]\nhold_failed = \"30m\"\nkeep_failed = \"30m\"\n",
		"in an inline table":      "cleanup = { hold_failed = \"30m\", keep_failed = \"30m\" }\n",
		"as dotted keys":          "cleanup.keep_failed = \"30m\"\ncleanup.hold_failed = \"30m\"\n",
	} {
		_, warnings, err := parse("dind.toml", []byte(src))
		const says = "cleanup.keep_failed: is cleanup.hold_failed by its name of before, and this file has both: remove this one"
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") || fault.HintOf(err) == "" || len(warnings) != 0 {
			t.Errorf("%s: error %v, warnings %q", order, err, warnings)
		}
	}
}

// A fault of the value is reported at the value's line, under today's name.
func TestAFaultUnderANameOfBeforeHasItsLine(t *testing.T) {
	for src, want := range map[string]string{
		"[cleanup]\n\nkeep_failed = \"-1m\"\n": "dind.toml:3: cleanup.hold_failed: must be from 0s to",
		"[bundles]\n\nkeep = 7\n":              "dind.toml:3: bundles.keep: must be a duration",
	} {
		if _, err := Parse("dind.toml", []byte(src)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// A former name counts only in its former place, not in tables of policies.
func TestANameOfBeforeIsUnknownElsewhere(t *testing.T) {
	for _, src := range []string{"[log]\nkeep = \"1h\"\n", "keep_failed = \"1h\"\n"} {
		if _, err := Parse("dind.toml", []byte(src)); err == nil || !strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%q: error %v", src, err)
		}
	}
}
