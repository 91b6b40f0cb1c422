package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A forced removal of a volume that fails makes the engine drop the volume's labels. Then
// nobody knows its owner. So no code forces a removal.
func TestNoVolumeIsRemovedByForce(t *testing.T) {
	forced := regexp.MustCompile(`VolumeRemove\([^\n]*,\s*true\)|volume rm (-f|--force)`)
	looked := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..", entry.IsDir() && entry.Name() == "testdata":
			return fs.SkipDir
		// A test shows what an engine does with a volume after a forced removal.
		case !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "leaks_test.go"), strings.HasSuffix(path, "force_test.go"):
			return nil
		}
		b, err := os.ReadFile(path)
		looked++
		if at := forced.FindString(string(b)); at != "" {
			t.Errorf("%s removes a volume by force: %s", path, at)
		}
		return err
	})
	if err != nil || looked < 100 {
		t.Errorf("looked at %d files: %v", looked, err)
	}
}
