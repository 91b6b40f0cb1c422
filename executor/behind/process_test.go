package behind

import (
	"slices"
	"testing"
)

// A hook's environment has the job's variables.
func TestWhatOutlivesAHookHasItsOwnEnvironmentAlone(t *testing.T) {
	t.Setenv("CUSTOM_ENV_SECRET", "x")
	for _, env := range [][]string{nil, {}, {"PATH=/bin"}} {
		out, err := Process{Args: []string{"-0"}, Env: env}.command("/usr/bin/env").Output()
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for _, kv := range env {
			want = append(append(want, kv...), 0)
		}
		if !slices.Equal(out, want) {
			t.Errorf("with %q it has %q", env, out)
		}
	}
}
