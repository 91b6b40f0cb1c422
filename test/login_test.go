package test

import (
	"regexp"
	"testing"
)

// passwordArgument matches a login at a registry with the password as an argument, which ps shows.
var passwordArgument = regexp.MustCompile(`docker login\b[^\n|&;]*\s(?:(?:-p|--password)[ =]|-p["'$])`)

// Pipelines copy what they see, so pages, messages and scripts give passwords on stdin.
func TestPasswordsOfRegistriesAreNoArguments(t *testing.T) {
	reasons := map[string]string{
		"test/e2e/pipelines_test.go":           "a pipeline of the old habit runs unchanged",
		"executor/diagnosis/output_test.go":    "a script's output, which others have written",
		"executor/runnerconfig/hidden_test.go": "a secret in a script of config.toml",
	}
	seen := map[string]bool{}
	for _, extension := range []string{".go", ".md", ".yml", ".sh", ""} {
		eachFile(t, extension, func(name string, source []byte) {
			login := passwordArgument.Find(source)
			if login == nil {
				return
			}
			seen[name] = true
			if reasons[name] == "" {
				t.Errorf("%s: %q gives the password as an argument: take --password-stdin", name, login)
			}
		})
	}
	for name := range reasons {
		if !seen[name] {
			t.Errorf("%s has no such login any more", name)
		}
	}
}
