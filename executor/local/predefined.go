package local

import (
	"runtime"
	"slices"
	"strconv"
)

// featureFlags are the Runner's flags for drivers and scripts, with their defaults in
// 18.6.6, the default version of the stand-in. The Runner has more flags. This package
// shares no list with the driver.
var featureFlags = []struct {
	name string
	on   bool
}{
	{"FF_NETWORK_PER_BUILD", false},
	{"FF_USE_DIRECT_DOWNLOAD", true},
	{"FF_SKIP_NOOP_BUILD_STAGES", true},
	{"FF_USE_FASTZIP", false},
	{"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", false},
	{"FF_ENABLE_BASH_EXIT_CODE_CHECK", false},
	{"FF_USE_NEW_BASH_EVAL_STRATEGY", false},
	{"FF_SCRIPT_SECTIONS", false},
	{"FF_ENABLE_JOB_CLEANUP", false},
	{"FF_POSIXLY_CORRECT_ESCAPES", false},
	{"FF_USE_INIT_WITH_DOCKER_EXECUTOR", false},
	{"FF_TIMESTAMPS", false},
	{"FF_MASK_ALL_DEFAULT_TOKENS", true},
	{"FF_HASH_CACHE_KEYS", false},
}

// predefined puts the Runner's own variables around the payload's, in the Runner's order. A
// job may override the variables before its own, not those behind.
func (b *build) predefined() variables {
	job := variables(b.payload.Variables)
	expanded := job.expand()
	var v variables
	public := func(key, value string) {
		v = append(v, Variable{Key: key, Value: value, Public: true})
	}

	for _, f := range featureFlags {
		public(f.name, strconv.FormatBool(expanded.boolean(f.name, f.on)))
	}
	if b.payload.Image.Name != "" {
		public("CI_JOB_IMAGE", b.payload.Image.Name)
	}
	public("CI_RUNNER_SHORT_TOKEN", b.runner.ShortToken)
	public("CI_BUILDS_DIR", b.buildsDir)
	public("CI_PROJECT_DIR", b.projectDir)
	public("CI_CONCURRENT_ID", strconv.Itoa(b.runner.ConcurrentID))
	public("CI_CONCURRENT_PROJECT_ID", strconv.Itoa(b.runner.ConcurrentID))
	public("CI_SERVER", "yes")
	public("CI_JOB_STATUS", "running")
	public("CI_JOB_TIMEOUT", strconv.Itoa(int(b.timeout().Seconds())))
	for _, x := range job {
		if !isFeatureFlag(x.Key) {
			v = append(v, x)
		}
	}
	public("CI_SHARED_ENVIRONMENT", "true")
	public("CI_RUNNER_VERSION", b.runner.Version)
	public("CI_RUNNER_REVISION", revision)
	public("CI_RUNNER_EXECUTABLE_ARCH", runtime.GOOS+"/"+runtime.GOARCH)
	public(tempDirKey, b.projectDir+".tmp")
	return v.expand()
}

// revision is the value of CI_RUNNER_REVISION for this stand-in.
const revision = "local"

func isFeatureFlag(key string) bool {
	return slices.ContainsFunc(featureFlags, func(f struct {
		name string
		on   bool
	},
	) bool {
		return f.name == key
	})
}
