package runnerconfig

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/pattern"
)

// versionBound bounds the Runner's answer with its version.
const versionBound = 10 * time.Second

var versionLine = pattern.New(`(?m)^Version:\s+(\S+)$`)

// Version asks a gitlab-runner of this host for its version, which chooses the helper
// image. binary is the program, "" for the first gitlab-runner in PATH. A development build
// has the version "", as for jobs.
func Version(ctx context.Context, binary string) (string, error) {
	if binary == "" {
		binary = "gitlab-runner"
	}
	ctx, cancel := context.WithTimeout(ctx, versionBound)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	m := versionLine.Regexp().FindSubmatch(out)
	if err == nil && m == nil {
		err = errors.New("it tells none")
	}
	if err != nil {
		return "", fault.System(fmt.Errorf("the version of gitlab-runner, which chooses the helper image: %w", err),
			"give it with --runner-version, or name a helper.image without {version} in the settings")
	}
	if v := string(m[1]); Released(v) {
		return v, nil
	}
	return "", nil
}

var released = pattern.New(`^[0-9]+\.[0-9]+\.[0-9]+$`)

// Released tells whether a version is a released Runner's, such as 18.6.6.
func Released(version string) bool { return released.MatchString(version) }
