package executor

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/executor/payload"
)

// driverName is this program's name in the Runner's output.
const driverName = "gitlab-dind-executor"

// Variables that the config hook puts into the environment of the other hooks.
const (
	envStarted = "GITLAB_DIND_EXECUTOR_STARTED"
	// envOwner is the Runner process that called the config hook.
	envOwner    = "GITLAB_DIND_EXECUTOR_OWNER"
	envSettings = "GITLAB_DIND_EXECUTOR_SETTINGS"
)

// configHook answers the Runner's config call: JSON on stdout.
func (c *call) configHook(context.Context, []string) error {
	settings, err := c.load()
	if err != nil {
		return err
	}
	runner, err := owner.CallingRunner()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("this host's name: %w", err)
	}
	name, version, builds, cache, shared := driverName, label.Version, payload.BuildsDir, payload.CacheDir, false
	return json.NewEncoder(c.stdout).Encode(api.ConfigExecOutput{
		Driver:            &api.DriverInfo{Name: &name, Version: &version},
		Hostname:          &host,
		BuildsDir:         &builds,
		CacheDir:          &cache,
		BuildsDirIsShared: &shared,
		JobEnv: &map[string]string{
			envStarted:  c.env[envStarted],
			envSettings: settings.Digest(),
			envOwner:    runner.String(),
		},
	})
}
