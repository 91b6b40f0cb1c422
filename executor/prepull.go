package executor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// versionBound is what a gitlab-runner may take to tell its version.
const versionBound = 10 * time.Second

// prepullCommand fetches the images of the settings ahead of the jobs.
func (c *call) prepullCommand() *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "prepull",
		Short: "Fetch the images that the settings name, so that no job waits for them",
		Long: "Fetches the images of sidecar, job, helper and mirror, those of policies, and those of\n" +
			"pull.prepull, or what is new of them, with the credentials of the user's own docker\n" +
			"configuration. It ends with an error if one cannot be had.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, d, err := c.open()
			if err != nil {
				return err
			}
			defer d.Close()
			return c.prepull(cmd.Context(), s, d, version)
		},
	}
	cmd.Flags().StringVar(&version, "runner-version", "", "the `VERSION` of GitLab Runner, for helper.image (default: that of the gitlab-runner on this host)")
	return cmd
}

func (c *call) prepull(ctx context.Context, s config.Settings, d *driver.Driver, version string) error {
	failed := 0
	fail := func(err error) {
		failed++
		c.log.fail(err)
	}
	arch, err := d.Arch(ctx)
	if err != nil {
		return err
	}
	if version == "" && strings.Contains(s.Helper.Image, "{version}") {
		if version, err = runnerVersion(ctx, s.Helper.RunnerBinary); err != nil {
			fail(fault.System(fmt.Errorf("image %s: the Runner's version is not known: %w", s.Helper.Image, err),
				"say it: --runner-version 18.6.6, the first line of gitlab-runner --version"))
			s.Helper.Image = ""
		}
	}
	names := plan.Prepull(s, version, arch)
	creds := credentials(ctx, &payload{}, c.env.without(authVariable), plan.Hosts(names), nil, c.log.warn)
	total := len(names) + failed
	for _, name := range names {
		ref, err := plan.PrepullRef(name, creds)
		if err != nil {
			fail(err)
			continue
		}
		fetched, err := d.Prepull(ctx, ref, s.Pull.Timeout.Std(), s.Pull.Attempts)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			fail(ofAdmin(err))
		case fetched:
			fmt.Fprintf(c.stdout, "fetched %s\n", ref.Name)
		default:
			fmt.Fprintf(c.stdout, "%s was there\n", ref.Name)
		}
	}
	if failed > 0 {
		return fault.System(fmt.Errorf("%d of %d images could not be fetched", failed, total), "")
	}
	return nil
}

// ofAdmin gives a pull's fault the hint for an admin where it has one for the
// author of a pipeline.
func ofAdmin(err error) error {
	if hint := fault.HintOf(err); strings.Contains(hint, "DOCKER_AUTH_CONFIG") || strings.Contains(hint, "the job's credentials") {
		return fault.System(err, "check the name in the settings, or log in with docker login as the user that this runs as")
	}
	return err
}

// without leaves a variable out.
func (e environment) without(key string) environment {
	rest := environment{}
	for k, v := range e {
		if k != key {
			rest[k] = v
		}
	}
	return rest
}

var versionLine = regexp.MustCompile(`(?m)^Version:\s+(\S+)$`)

// runnerVersion asks a gitlab-runner for its version: the one that is named, or
// the first in PATH. A development build has none, "".
func runnerVersion(ctx context.Context, binary string) (string, error) {
	if binary == "" {
		var err error
		if binary, err = exec.LookPath("gitlab-runner"); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, versionBound)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", binary, err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return "", errors.New(binary + " --version tells none")
	}
	if v := string(m[1]); released.MatchString(v) {
		return v, nil
	}
	return "", nil
}
