package runnerconfig

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

// Flags that would take the daemon out of its place are dropped in every notation.
func TestFlagsOfTheDaemonThatAreWiredIn(t *testing.T) {
	for command, want := range map[string][]string{
		`"--max-concurrent-downloads=6"`:                     {"--max-concurrent-downloads=6"},
		`"--storage-opt", "overlay2.size=1g", "--debug"`:     {"--storage-opt=overlay2.size=1g", "--debug"},
		`"dockerd", "--host=tcp://0.0.0.0:2375", "-D"`:       {"-D"},
		`"-Htcp://0.0.0.0:2375"`:                             nil,
		`"-H", "unix:///x.sock"`:                             nil,
		`"-H=unix:///x.sock"`:                                nil,
		`"--data-root", "/x"`:                                nil,
		`"-g/x", "--graph=/x", "--exec-root=/x"`:             nil,
		`"--config-file=/x", "-p", "/x", "--containerd=/x"`:  nil,
		`"--tlscacert=/x", "--tlscert=/x", "--tlskey", "/x"`: nil,
	} {
		src := "[[runners]]\nexecutor = \"docker\"\n[runners.docker]\nservices = [{ name = \"docker:dind\", command = [%s] }]\n"
		c, err := Convert("x", fmt.Appendf(nil, src, command), "")
		if err != nil {
			t.Fatal(err)
		}
		s, err := config.Parse("dind.toml", []byte(c.Settings))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.Sidecar.Arguments, want) {
			t.Errorf("%s is %q, want %q", command, s.Sidecar.Arguments, want)
		}
		told := slices.ContainsFunc(notes(t, c), func(n Note) bool { return n.Kind == Dropped && strings.HasPrefix(n.Key, "services command -") })
		if want == nil && !told {
			t.Errorf("nobody tells of %s", command)
		}
	}
}
