package payload

import (
	"slices"
	"strings"

	"gitlab-dind-executor/executor/runnerconfig"
)

const (
	// envVariable begins the names of a job's variables in a hook's environment.
	envVariable    = "CUSTOM_ENV_"
	jobServicesKey = "CI_JOB_SERVICES"
	// envInstallation names one of several installations on an engine, as the driver
	// reads it. It is the Runner's own, with no prefix, so no pipeline sets it.
	envInstallation = "GITLAB_DIND_EXECUTOR_INSTALLATION"
)

// Environment is a hook's environment. The last of duplicates wins, as it does
// for the Runner.
type Environment map[string]string

// NewEnvironment reads one in the form of os.Environ.
func NewEnvironment(environ []string) Environment {
	e := Environment{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			e[k] = v
		}
	}
	return e
}

// Variable is a variable of the job, which the author of its pipeline can set.
func (e Environment) Variable(key string) string { return e[envVariable+key] }

// RunnerVersion is the Runner's version, or "" for a development build.
func (e Environment) RunnerVersion() string {
	if v := e.Variable("CI_RUNNER_VERSION"); runnerconfig.Released(v) {
		return v
	}
	return ""
}

// OfHost is what of the environment concerns the host and the engine: nothing
// of the job, whose variables are no business of what outlives it.
func (e Environment) OfHost() []string {
	var env []string
	for key, value := range e {
		if slices.Contains([]string{"PATH", "HOME", "USER", "SSH_AUTH_SOCK", envInstallation}, key) || strings.HasPrefix(key, "DOCKER_") || strings.HasPrefix(key, "XDG_") || strings.HasPrefix(key, "OTEL_") {
			env = append(env, key+"="+value)
		}
	}
	slices.Sort(env)
	return env
}
