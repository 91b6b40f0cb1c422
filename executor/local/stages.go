package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The Runner's names for the stages with a script of the Runner's own.
const (
	stagePrepare         = "prepare_script"
	stageGetSources      = "get_sources"
	stageClearWorktree   = "clear_worktree"
	stageRestoreCache    = "restore_cache"
	stageDownload        = "download_artifacts"
	stageScript          = "step_script"
	stageAfterScript     = "after_script"
	stageArchive         = "archive_cache"
	stageArchiveFailed   = "archive_cache_on_failure"
	stageUpload          = "upload_artifacts_on_success"
	stageUploadFailed    = "upload_artifacts_on_failure"
	stageCleanup         = "cleanup_file_variables"
	afterScriptTimeout   = 5 * time.Minute
	maxStageAttempts     = 10
	maxStageRetryDelay   = 5 * time.Minute
	afterScriptStep      = "after_script"
	stepStagePrefix      = "step_"
	scriptTimeoutKey     = "RUNNER_SCRIPT_TIMEOUT"
	afterTimeoutKey      = "RUNNER_AFTER_SCRIPT_TIMEOUT"
	getSourcesAttempts   = "GET_SOURCES_ATTEMPTS"
	restoreCacheAttempts = "RESTORE_CACHE_ATTEMPTS"
	downloadAttempts     = "ARTIFACT_DOWNLOAD_ATTEMPTS"
)

// headlines are the log's names of the stages.
var headlines = map[string]string{
	stagePrepare:       "Preparing environment",
	stageGetSources:    "Getting source from Git repository",
	stageClearWorktree: "Deleting all tracked and untracked files due to source fetch failure",
	stageRestoreCache:  "Restoring cache",
	stageDownload:      "Downloading artifacts",
	stageAfterScript:   "Running after_script",
	stageArchive:       "Saving cache for successful job",
	stageArchiveFailed: "Saving cache for failed job",
	stageUpload:        "Uploading artifacts for successful job",
	stageUploadFailed:  "Uploading artifacts for failed job",
	stageCleanup:       "Cleaning up project directory and file based variables",
}

// stages runs all stages in order and returns the job's error.
func (a *attempt) stages(ctx context.Context) error {
	if err := a.stage(ctx, stagePrepare); err != nil {
		return fmt.Errorf("prepare environment: %w", err)
	}
	err := a.sources(ctx)
	if err == nil {
		err = a.userStages(ctx)
	}

	archive, upload := stageArchive, stageUpload
	if err != nil {
		archive, upload = stageArchiveFailed, stageUploadFailed
	}
	archiveErr := a.stage(ctx, archive)
	uploadErr := a.stage(ctx, upload)
	// The Runner's log alone gets this failure.
	_ = a.stage(ctx, stageCleanup)
	for _, e := range []error{err, archiveErr, uploadErr} {
		if e != nil {
			return e
		}
	}
	return nil
}

// sources runs the stages before the script, with their attempts.
func (a *attempt) sources(ctx context.Context) error {
	vars := a.build.variables()
	err := a.attempts(ctx, vars.number(getSourcesAttempts, 1), func(n int) error {
		if n == 2 {
			if err := a.stage(ctx, stageClearWorktree); err != nil {
				return err
			}
		}
		return a.stage(ctx, stageGetSources)
	})
	if err == nil {
		err = a.attempts(ctx, vars.number(restoreCacheAttempts, 1), func(int) error {
			return a.stage(ctx, stageRestoreCache)
		})
	}
	if err == nil {
		err = a.attempts(ctx, vars.number(downloadAttempts, 1), func(int) error {
			return a.stage(ctx, stageDownload)
		})
	}
	return err
}

// attempts calls f up to limit times, with n counting from 1, until it succeeds.
func (a *attempt) attempts(ctx context.Context, limit int, f func(n int) error) error {
	limit = max(1, min(maxStageAttempts, limit))
	delay := a.build.runner.StageRetryDelay
	for n := 1; ; n++ {
		err := f(n)
		if err == nil || n == limit {
			return err
		}
		a.build.log.warn("Retrying...")
		if !sleep(ctx, delay) {
			return err
		}
		delay = min(2*delay, maxStageRetryDelay)
	}
}

// userStages runs the script and then after_script, whatever the script's end.
func (a *attempt) userStages(ctx context.Context) error {
	b := a.build
	afterTimeout := b.stageTimeout(afterTimeoutKey, afterScriptTimeout)
	scriptCtx, cancel := withTimeout(ctx, b.stageTimeout(scriptTimeoutKey, 0))
	defer cancel()
	b.job.setCancel(cancel)

	var err error
	for _, s := range b.payload.Steps {
		if s.Name == afterScriptStep {
			continue
		}
		if err = a.stage(scriptCtx, stepStage(s)); err != nil {
			break
		}
	}
	switch {
	case ctx.Err() == nil && errors.Is(scriptCtx.Err(), context.Canceled):
		err = &jobError{reason: reasonCanceled, err: errCanceled}
		b.log.warn("script canceled externally (UI, API)")
	case !errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(scriptCtx.Err(), context.DeadlineExceeded):
		err = &jobError{
			reason: reasonTimeout,
			err:    fmt.Errorf("%w: %w", errScriptTimeout, scriptCtx.Err()),
		}
	}

	afterCtx, cancelAfter := context.WithTimeout(ctx, afterTimeout)
	defer cancelAfter()
	status, _ := runtimeState(err, b.timeout())
	b.setStatus(status)
	afterErr := a.stage(afterCtx, stageAfterScript)
	switch {
	case afterErr == nil || errors.Is(ctx.Err(), context.DeadlineExceeded):
	case b.variables().boolean("AFTER_SCRIPT_IGNORE_ERRORS", true):
		b.log.warn("after_script failed, but job will continue unaffected: " + afterErr.Error())
	case err == nil:
		err = afterErr
	}
	return err
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

// stageTimeout returns a stage's time from a variable.
func (b *build) stageTimeout(key string, def time.Duration) time.Duration {
	text := strings.TrimSpace(b.variables().value(key))
	d, err := time.ParseDuration(text)
	switch {
	case text == "":
		return def
	case err != nil:
		b.log.warn("Ignoring malformed " + key + " timeout: " + text)
		return def
	case d < 0:
		b.log.warn("Ignoring relative " + key + " timeout: " + text)
		return def
	case d == 0:
		return def
	}
	return d
}

// stepStage is the stage of a step.
func stepStage(s Step) string { return stepStagePrefix + strings.ToLower(s.Name) }

// stage runs a stage, unless the stage has nothing to do or ctx has ended.
func (a *attempt) stage(ctx context.Context, stage string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := a.build
	defer func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			b.log.warn(stage + " could not run to completion because the timeout was exceeded.")
		}
	}()
	text, err := b.script(stage)
	if err != nil || text == "" {
		return err
	}
	headline, ok := headlines[stage]
	if !ok {
		headline = fmt.Sprintf("Executing %q stage of the job script", stage)
	}
	return b.log.section(stage, headline, func() error { return a.runStage(ctx, stage, text) })
}
