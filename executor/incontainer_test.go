package executor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
)

func TestCommandsForVolumesKeepTheirContract(t *testing.T) {
	for name, tc := range map[string]struct {
		command, seconds, plant string
		code                    int
		says                    string
	}{
		"nothing to clear":              {plan.ClearCommand, "60", "", plan.CommandDone, "cleared: 0 layers"},
		"a volume to empty":             {plan.EmptyCommand, "60", "a/file", plan.CommandDone, "emptied"},
		"what no daemon writes":         {plan.ClearCommand, "60", "image", plan.CommandThrowAway, "throw it away"},
		"a volume that is not there":    {plan.EmptyCommand, "60", "-", plan.CommandFault, "no such file"},
		"a data root that is not there": {plan.ClearCommand, "60", "-", plan.CommandFault, "no such file"},
		"no time":                       {plan.ClearCommand, "0", "", plan.CommandFault, "not a number of seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			if tc.plant != "-" {
				at := filepath.Join(root, tc.plant)
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(root, 0o755); err != nil {
					t.Fatal(err)
				}
				if tc.plant != "" {
					if err := os.WriteFile(at, nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			var stdout, stderr strings.Builder
			code := Main([]string{tc.command, root, tc.seconds}, nil, &stdout, &stderr)
			if code != tc.code || stdout.Len() > 0 {
				t.Errorf("code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
			if said := stderr.String(); !strings.Contains(said, tc.says) || strings.Count(said, "\n") != 1 {
				t.Errorf("it says %q", said)
			}
		})
	}
}
