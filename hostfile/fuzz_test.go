package hostfile

import (
	"os"
	"path/filepath"
	"testing"
)

// No name, however odd, makes, changes or reads anything outside of its directory.
func FuzzANameStaysInItsDirectory(f *testing.F) {
	for _, name := range []string{"f", "../f", "up/f", "down/f", "/etc/passwd", "", ".", "..", "a//b", "up/../f", "down/../../f", "f\x00", "down/up/f"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		base := t.TempDir()
		dir := filepath.Join(base, "dir")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.MkdirAll(filepath.Join(dir, "down"), 0o700))
		must(os.WriteFile(filepath.Join(base, "f"), []byte("outside"), 0o600))
		must(os.Symlink("..", filepath.Join(dir, "up")))
		must(os.Symlink("../..", filepath.Join(dir, "down", "up")))
		d := opened(t, Open, dir)
		_ = d.Write(name, []byte("ours"), 0o644)
		if content, err := d.Read(name, 100); err == nil && string(content) != "ours" {
			t.Errorf("read %q by %q", content, name)
		}
		if file, err := d.Append(name); err == nil {
			file.Close()
		}
		_ = d.Rename(name, "moved")
		_ = d.Rename("moved", name)
		_ = d.Remove(name)
		if content, err := os.ReadFile(filepath.Join(base, "f")); err != nil || string(content) != "outside" {
			t.Errorf("%q changed a file outside: %q, %v", name, content, err)
		}
		if all, err := os.ReadDir(base); err != nil || len(all) != 2 {
			t.Errorf("%q: there is %v, %v", name, all, err)
		}
	})
}
