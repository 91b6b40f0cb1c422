package payload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkPayload reads an ordinary job's payload, with as many variables as GitLab sends.
// Each hook reads the payload first.
func BenchmarkPayload(b *testing.B) {
	variables := strings.Repeat(`{"key": "CI_SOME_VARIABLE", "value": "a value of some length", "public": true},`, 150)
	text := least(`"variables": [` + strings.TrimSuffix(variables, ",") + `],
		"image": {"name": "docker:28"}, "services": [{"name": "docker:28-dind"}],
		"credentials": [{"type": "registry", "url": "registry.example.com", "username": "u", "password": "p"}], `)
	file := filepath.Join(b.TempDir(), "response.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(file); err != nil {
			b.Fatal(err)
		}
	}
}
