package executor

import (
	"os"
	"path/filepath"
	"testing"

	"gitlab-dind-executor/driver/looking"
)

func TestWhatWasCountedGoesFromStageToStage(t *testing.T) {
	e := exit{file: filepath.Join(t.TempDir(), "build_exit_code")}
	none, want := looking.Traffic{}, looking.Traffic{Received: 7, Written: 9}
	if got := e.traffic("gitlab.example.com/7"); got != none {
		t.Errorf("nobody has looked, and it is %+v", got)
	}
	for _, seen := range []looking.Traffic{want, none} { // the second by a script that was over at once
		if err := e.noteTraffic("gitlab.example.com/7", seen); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.traffic("gitlab.example.com/7"); got != want {
		t.Errorf("it is %+v, want %+v", got, want)
	}
	if got := e.traffic("gitlab.example.com/8"); got != none {
		t.Errorf("another job's is %+v", got)
	}
	for _, text := range []string{"", "many 7 gitlab.example.com/7\n", "7 gitlab.example.com/7\n", "-1 2 gitlab.example.com/7\n"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(e.file), trafficFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := e.traffic("gitlab.example.com/7"); got != none {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
