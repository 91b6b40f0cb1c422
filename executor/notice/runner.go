package notice

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/wary"
)

// systemctlBound bounds a call. No call waits for a unit.
const systemctlBound = 30 * time.Second

// Runner is the systemd unit of a GitLab Runner, such as gitlab-runner.service.
type Runner string

// Graceful checks that a stop of the unit lets its jobs end. Otherwise the error has a
// hint.
func (r Runner) Graceful(ctx context.Context) error {
	out, err := r.systemctl(ctx, "show", "--property=LoadState,KillSignal")
	if err != nil {
		return err
	}
	said := strings.Fields(out)
	switch {
	case !slices.Contains(said, "LoadState=loaded"):
		return fault.System(fmt.Errorf("systemd has no unit %s", r), "name the Runner's with --runner-unit")
	case !slices.Contains(said, "KillSignal=3"):
		return fault.System(fmt.Errorf("%s ends its jobs at once when it is stopped", r), "give its unit KillSignal=SIGQUIT: docs/operations.md, Stop the Runner without killing jobs")
	}
	return nil
}

// Stop makes the Runner take no more jobs and end with its last job. Stop does not wait.
func (r Runner) Stop(ctx context.Context) error {
	_, err := r.systemctl(ctx, "stop", "--no-block")
	return err
}

// End makes the Runner end its jobs at once and report to GitLab. End does not wait.
func (r Runner) End(ctx context.Context) error {
	_, err := r.systemctl(ctx, "kill", "--kill-who=main", "--signal=SIGTERM")
	return err
}

// systemctl calls systemctl about the unit.
func (r Runner) systemctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, systemctlBound)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", append(args, "--", string(r))...).CombinedOutput()
	if err != nil {
		return "", fault.System(fmt.Errorf("systemctl %s %s: %w: %s", args[0], r, err, wary.Line(string(out))), "the Runner's unit must be one of this host's systemd")
	}
	return string(out), nil
}
