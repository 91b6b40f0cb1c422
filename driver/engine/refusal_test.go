package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/errdefs"
)

// refusalNames are the names of refusals in the test data.
var refusalNames = map[string]Refusal{
	"SubnetTaken": SubnetTaken, "FewerCPUs": FewerCPUs, "NoRuntime": NoRuntime, "BadCapability": BadCapability,
	"NoDevice": NoDevice, "NoProgram": NoProgram, "NoUser": NoUser, "NoSource": NoSource, "NoAddress": NoAddress, "PortTaken": PortTaken,
}

// recorded is an engine's answer.
type recorded struct {
	Refusal string `json:"refusal"`
	Call    string `json:"call"`
	Status  int    `json:"status"`
	Message string `json:"message"`
	// Source is the place of the words in the engine's own code, for answers that were not
	// recorded.
	Source string `json:"source,omitempty"`
}

func TestWhatEnginesRefuseIsUnderstood(t *testing.T) {
	files, err := filepath.Glob("testdata/refusals/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("only %d engines (%v)", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var answers []recorded
		if err := json.Unmarshal(content, &answers); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, a := range answers {
			t.Run(filepath.Base(file)+"/"+a.Refusal, func(t *testing.T) {
				seen[a.Refusal] = true
				err := errors.New("Error response from daemon: " + a.Message)
				if !Refused(err, refusalNames[a.Refusal]) {
					t.Errorf("%q is not understood", a.Message)
				}
				for name, other := range refusalNames {
					if name != a.Refusal && Refused(err, other) {
						t.Errorf("%q is taken for %s, too", a.Message, name)
					}
				}
			})
		}
		for name := range refusalNames {
			if !seen[name] {
				t.Errorf("%s has no answer for %s", file, name)
			}
		}
	}
}

// A denied permission is known by its type, whatever the words.
func TestAPluginsNoIsKnownByItsType(t *testing.T) {
	if !Refused(fmt.Errorf("no: %w", errdefs.ErrPermissionDenied), NoRights) || Refused(errors.New("no"), NoRights) {
		t.Error("it is not understood")
	}
}
