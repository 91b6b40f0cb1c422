package host

import (
	"fmt"
	"path/filepath"
	"testing"

	"gitlab-dind-executor/test/plant"
)

// Every file on the host that this package opens, with everything hostile in its place.
func TestLocksPlantedOnTheHost(t *testing.T) {
	lock, _ := locksIn(t, t.TempDir())
	f, err := lock.file("pool")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	plant.Walk(t, "driver/host", map[string]plant.Use{
		"locks": {Name: filepath.Base(f.Name()), May: plant.Appended, Do: func(t *testing.T, file string) error {
			l, _ := locksIn(t, filepath.Dir(file))
			unlock, err := l.Lock(t.Context(), "pool", "", "")
			if err == nil {
				unlock()
			}
			return err
		}},
		"what is remembered of the engine and of jobs": {Name: lock.recalled("engine"), May: plant.Replaced, Do: func(t *testing.T, file string) error {
			l, _ := locksIn(t, filepath.Dir(file))
			_ = l.Recall("engine")
			if !l.Remember("engine", []byte("new")) {
				return fmt.Errorf("%s: it cannot be remembered", file)
			}
			return nil
		}},
	})
}
