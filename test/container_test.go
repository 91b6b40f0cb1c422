package test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The recipe of a Runner in a container, its compose file and its page agree. The long form of
// test/packages runs them.
func TestTheRunnersContainerIsOfOnePiece(t *testing.T) {
	text := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const folder = "scripts/package/runner"
	recipe, page := text("../"+folder+"/Dockerfile"), text("../docs/container.md")
	var compose struct {
		Services map[string]struct {
			Image       string
			NetworkMode string `yaml:"network_mode"`
			PID         string `yaml:"pid"`
			StopSignal  string `yaml:"stop_signal"`
			Volumes     []string
		}
	}
	if err := yaml.Unmarshal([]byte(text("../"+folder+"/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	s, ok := compose.Services["gitlab-runner"]
	if !ok || s.NetworkMode != "host" || s.PID != "host" || s.StopSignal != "SIGQUIT" {
		t.Errorf("the service gitlab-runner is %+v", s)
	}
	if !strings.Contains(page, "docker build -t dind-runner ") || !strings.Contains(s.Image, "dind-runner") {
		t.Errorf("the page builds another image than compose runs, %s", s.Image)
	}
	var at []string
	for _, v := range s.Volumes {
		from, to, _ := strings.Cut(v, ":")
		if to = strings.TrimSuffix(to, ":ro"); from != to {
			t.Errorf("%s has another path in the container: messages would name files that the host has not", v)
		}
		at = append(at, from)
	}
	for _, wanted := range []string{"/var/run/docker.sock", "/etc/gitlab-runner", "/etc/machine-id", "/run/gitlab-dind-executor", "/var/log/gitlab-dind-executor", "/var/lib/docker"} {
		if !slices.Contains(at, wanted) {
			t.Errorf("compose mounts no %s", wanted)
		}
	}
	if !strings.Contains(recipe, "ENV XDG_STATE_HOME=/var/log\n") {
		t.Error("the recipe puts bundles elsewhere than compose mounts")
	}
	// make release builds the copied file.
	if !regexp.MustCompile(`(?m)^COPY gitlab-dind-executor-linux-\$ARCH /usr/bin/gitlab-dind-executor$`).MatchString(recipe) ||
		!strings.Contains(text("../scripts/release"), `cp "$binary" "$dist/$name-linux-$ARCH"`) {
		t.Error("the recipe copies another file than a release has")
	}
	for _, arg := range regexp.MustCompile(`(?m)^ARG (\w+)`).FindAllStringSubmatch(recipe, -1) {
		if !strings.Contains(page, "--build-arg "+arg[1]+"=") {
			t.Errorf("the page does not say what %s is", arg[1])
		}
	}
}
