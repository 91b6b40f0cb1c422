package runnerconfig

import (
	"fmt"
	"strings"
	"testing"

	"gitlab-dind-executor/fault"
)

func TestWhichRunnerIsConverted(t *testing.T) {
	for name, c := range map[string]struct{ src, runner, text, hint string }{
		"one of two":        {string(docker(t)), "", "has 2 runners with the docker executor", `--runner "docker" or --runner "plain"`},
		"none of its name":  {string(docker(t)), "nobody", `has no runner "nobody"`, `--runner "docker" or --runner "plain"`},
		"another executor":  {string(docker(t)), "shell", `has the executor "shell"`, "only the docker executor"},
		"docker+machine":    {"[[runners]]\nname = \"m\"\nexecutor = \"docker+machine\"\n", "m", `has the executor "docker+machine"`, "docs/many-hosts.md"},
		"docker-autoscaler": {"[[runners]]\nname = \"m\"\nexecutor = \"docker-autoscaler\"\n", "", `has no runner with the docker executor, but with "docker-autoscaler"`, "docs/many-hosts.md"},
		"kubernetes":        {"[[runners]]\nname = \"m\"\nexecutor = \"kubernetes\"\n", "", `but with "kubernetes"`, "pods"},
		"two of one name":   {twins, "docker", `has 2 runners "docker"`, "say which with --runner '#1' or --runner '#2' or --runner '#4'"},
		"a number too high": {twins, "#9", `has no runner "#9"`, "--runner '#4'"},
		"none at all":       {"concurrent = 1\n", "", "has no runner with the docker executor", "without --from"},
		"no TOML":           {"[[runners\n", "", "config.toml:2: ", "mend"},
		"no runners":        {"runners = 3\n", "", "config.toml", "mend"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Convert("config.toml", []byte(c.src), c.runner)
			if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
				t.Errorf("%v (hint: %s)", err, fault.HintOf(err))
			}
		})
	}
}

// twins are two runners with the same name, a third of another executor with that name, and
// a nameless runner.
const twins = `
[[runners]]
name = "docker"
executor = "docker"
docker = { image = "first" }
[[runners]]
name = "docker"
executor = "docker"
docker = { image = "second" }
[[runners]]
name = "docker"
executor = "shell"
[[runners]]
executor = "docker"
docker = { image = "nameless" }
`

// Numbers tell apart runners with the same name.
func TestARunnerIsChosenByItsNumber(t *testing.T) {
	for which, image := range map[string]string{"#1": "first", "#2": "second", "#4": "nameless"} {
		c, err := Convert("config.toml", []byte(twins), which)
		if err != nil || !strings.Contains(c.Settings, fmt.Sprintf("image = %q", image)) {
			t.Errorf("%s: %v %+v", which, err, c)
		}
	}
}
