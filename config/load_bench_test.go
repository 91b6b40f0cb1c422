package config

import (
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkLoad reads the whole default file, as each hook does.
func BenchmarkLoad(b *testing.B) {
	file := filepath.Join(b.TempDir(), "dind.toml")
	if err := os.WriteFile(file, DefaultFile, 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(file); err != nil {
			b.Fatal(err)
		}
	}
}
