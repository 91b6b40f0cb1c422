package visit

import (
	"context"
	"errors"
	"os"
	"strings"

	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/runnerconfig"
)

// checkRunner finds the Runner's version, which chooses the helper's image.
func (v *Host) checkRunner(ctx context.Context) doctor.Finding {
	if v.Version != "" {
		return doctor.Fine("runner", "gitlab-runner %s, as was said", v.Version)
	}
	version, err := runnerconfig.Version(ctx, v.settings.Helper.RunnerBinary)
	switch {
	case err != nil && strings.Contains(v.settings.Helper.Image, "{version}"):
		return doctor.Of("runner", doctor.Error, err)
	case err != nil:
		return doctor.Fine("runner", "the version of gitlab-runner is not known here, and helper.image does not ask for it")
	case version == "":
		return doctor.Fine("runner", "gitlab-runner of a development version")
	}
	v.Version = version
	return doctor.Fine("runner", "gitlab-runner %s", version)
}

func (v *Host) checkHooks(context.Context) []doctor.Finding {
	f, err := runnerconfig.Read(v.RunnerConfig, v.Env["HOME"])
	if err != nil {
		level := doctor.Error
		if errors.Is(err, runnerconfig.ErrNone) || errors.Is(err, os.ErrPermission) {
			level = doctor.Warning
		}
		return []doctor.Finding{doctor.Of("hooks", level, err)}
	}
	v.file = f
	self, err := os.Executable()
	if err != nil {
		return []doctor.Finding{doctor.Of("hooks", doctor.Warning, err)}
	}
	needs := runnerconfig.NeedsOf(v.settings, v.SettingsFile)
	return doctor.Hooks(f, needs, func(path string) runnerconfig.Executable { return runnerconfig.Look(path, self) })
}
