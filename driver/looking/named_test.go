package looking

import (
	"strings"
	"testing"

	"gitlab-dind-executor/fault"
)

func TestASandboxIsFoundByWhatAnAdminHas(t *testing.T) {
	all := []Named{
		{Sandbox: "7aaaaaaaaaaa", Job: "gitlab.example.com/123"},
		{Sandbox: "7abbbbbbbbbb", Job: "other.example.com/123"},
		{Sandbox: "123ccccccccc", Job: "gitlab.example.com/7"},
		{Sandbox: "dddddddddddd"},
	}
	for name, want := range map[string]string{
		"7":                      "123ccccccccc", // a job's id comes before the beginning of a sandbox's id
		"gitlab.example.com/123": "7aaaaaaaaaaa",
		"7ab":                    "7abbbbbbbbbb",
		"d":                      "dddddddddddd",
		"dddddddddddd":           "dddddddddddd",
	} {
		if got, err := find(all, name); err != nil || got.Sandbox != want {
			t.Errorf("%q is %+v (%v), want %s", name, got, err, want)
		}
	}
	for name, c := range map[string]struct{ line, hint string }{
		"123": {`"123" may be any of 2 sandboxes`, "name one of them: 7aaaaaaaaaaa (job gitlab.example.com/123), 7abbbbbbbbbb (job other.example.com/123)"},
		"7a":  {`"7a" may be any of 2 sandboxes`, "name one of them: "},
		"":    {"no sandbox has the id", "there are: 7aaaaaaaaaaa"},
		"12":  {"", ""},
		"x":   {`no sandbox has the id "x", nor has its job`, "there are: 7aaaaaaaaaaa (job gitlab.example.com/123)"},
	} {
		_, err := find(all, name)
		if c.line == "" {
			if err != nil {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.line) || !strings.HasPrefix(fault.HintOf(err), c.hint) {
			t.Errorf("%q: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
	if _, err := find(nil, "7"); err == nil || fault.HintOf(err) != "there is none on this engine now" {
		t.Errorf("%v, hint %q", err, fault.HintOf(err))
	}
}
