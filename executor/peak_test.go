package executor

import (
	"os"
	"path/filepath"
	"testing"
)

func TestThePeakOfMemoryGoesFromStageToStage(t *testing.T) {
	e := exit{file: filepath.Join(t.TempDir(), "build_exit_code")}
	if got := e.peak("gitlab.example.com/7", 5); got != 0 {
		t.Errorf("nobody has looked, and it is %d", got)
	}
	note := func(e exit, most uint64) {
		t.Helper()
		if err := e.notePeak("gitlab.example.com/7", most); err != nil {
			t.Error(err)
		}
	}
	note(e, 0) // a script that was over at once
	if got := e.peak("gitlab.example.com/7", 5); got != 5 {
		t.Errorf("what is there now is not counted: %d", got)
	}
	note(e, 300)
	note(e, 20) // its after_script
	if got := e.peak("gitlab.example.com/7", 5); got != 300 {
		t.Errorf("got %d, want 300", got)
	}
	if got := e.peak("gitlab.example.com/8", 5); got != 0 {
		t.Errorf("another job's is %d", got)
	}
	if err := e.reset(); err != nil || e.peak("gitlab.example.com/7", 5) != 300 {
		t.Errorf("it went with the exit code (%v)", err)
	}
	if got := (exit{}).peak("gitlab.example.com/7", 5); got != 0 {
		t.Errorf("without a folder of the Runner's it is %d", got)
	}
	note(exit{}, 1)
}

func TestWhatIsNoNoteOfThePeakIsNotBelieved(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"words":                        func(p string) error { return os.WriteFile(p, []byte("many gitlab.example.com/7\n"), 0o600) },
		"a number with more behind it": func(p string) error { return os.WriteFile(p, []byte("7x gitlab.example.com/7\n"), 0o600) },
		"another form of a number":     func(p string) error { return os.WriteFile(p, []byte("0x7 gitlab.example.com/7\n"), 0o600) },
		"a link": func(p string) error {
			return os.Symlink("/proc/self/status", p)
		},
		"a folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"empty":    func(p string) error { return os.WriteFile(p, nil, 0o600) },
	} {
		e := exit{file: filepath.Join(t.TempDir(), "build_exit_code")}
		if err := put(filepath.Join(filepath.Dir(e.file), peakFile)); err != nil {
			t.Fatal(err)
		}
		if got := e.peak("gitlab.example.com/7", 5); got != 0 {
			t.Errorf("%s: %d", name, got)
		}
	}
}
