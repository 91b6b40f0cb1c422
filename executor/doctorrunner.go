package executor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/runnerconfig"
)

// checkRunner finds the Runner's version, which chooses the helper's image.
func (v *visit) checkRunner(ctx context.Context) doctor.Finding {
	if v.version != "" {
		return doctor.Fine("runner", "gitlab-runner %s, as was said", v.version)
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
	v.version = version
	return doctor.Fine("runner", "gitlab-runner %s", version)
}

func (v *visit) checkHooks(context.Context) []doctor.Finding {
	f, err := runnerconfig.Read(v.runnerConfig, v.c.env["HOME"])
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
	needs := runnerNeeds(v.settings, v.c.settingsFile)
	return doctor.Hooks(f, needs, func(path string) runnerconfig.Executable { return runnerconfig.Look(path, self) })
}

// runnerNeeds is what settings ask of the Runner's config.toml.
func runnerNeeds(s config.Settings, file string) runnerconfig.Needs {
	if abs, err := filepath.Abs(file); err == nil && file != "" {
		file = abs // as the hooks name it
	}
	if file == config.DefaultPath {
		file = ""
	}
	return runnerconfig.Needs{Prepare: s.PrepareBound(), Cleanup: s.Cleanup.Timeout.Std(), Settings: file}
}
