package payload

import (
	"slices"
	"strings"

	"gitlab-dind-executor/executor/runnerconfig"
)

const (
	// envVariable is the prefix of a job's variables in a hook's environment.
	envVariable    = "CUSTOM_ENV_"
	jobServicesKey = "CI_JOB_SERVICES"
	// envInstallation names one of several installations on an engine, for the driver. The
	// variable is the Runner's own and has no prefix, so no pipeline sets it.
	envInstallation = "GITLAB_DIND_EXECUTOR_INSTALLATION"
)

// Environment is a hook's environment. The last of duplicates wins, as in the Runner.
type Environment map[string]string

// NewEnvironment reads an environment in the form of os.Environ.
func NewEnvironment(environ []string) Environment {
	e := Environment{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			e[k] = v
		}
	}
	return e
}

// Variable returns a variable of the job. The author of the pipeline can set any of them.
func (e Environment) Variable(key string) string { return e[envVariable+key] }

// RunnerVersion is the Runner's version, or "" for a development build.
func (e Environment) RunnerVersion() string {
	if v := e.Variable("CI_RUNNER_VERSION"); runnerconfig.Released(v) {
		return v
	}
	return ""
}

// OfHost returns the variables about the host and the engine, as KEY=VALUE, sorted.
// Processes that outlive a job get none of the job's own variables.
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
