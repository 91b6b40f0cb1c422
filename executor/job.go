package executor

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"gitlab-dind-executor/driver/plan"
)

// What the Runner and our own config hook put into a hook's environment.
const (
	envPayload     = "JOB_RESPONSE_FILE"
	envBuildCode   = "BUILD_FAILURE_EXIT_CODE"
	envSystemCode  = "SYSTEM_FAILURE_EXIT_CODE"
	envExitFile    = "BUILD_EXIT_CODE_FILE"
	envStarted     = "GITLAB_DIND_EXECUTOR_STARTED"
	envSettings    = "GITLAB_DIND_EXECUTOR_SETTINGS"
	envVariable    = "CUSTOM_ENV_"
	buildsDir      = "/builds"
	cacheDir       = "/cache"
	jobServicesKey = "CI_JOB_SERVICES"
)

// environment is a hook's environment. The last of duplicates wins, as it does
// for the Runner.
type environment map[string]string

func newEnvironment(environ []string) environment {
	e := environment{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			e[k] = v
		}
	}
	return e
}

// predefined are the Runner's own variables that are no secret and are not in
// the payload; a service sees them as it does with the docker executor.
var predefined = []string{
	"CI_BUILDS_DIR", "CI_CONCURRENT_ID", "CI_CONCURRENT_PROJECT_ID", "CI_DISPOSABLE_ENVIRONMENT", "CI_JOB_IMAGE",
	"CI_JOB_STATUS", "CI_JOB_TIMEOUT", "CI_PROJECT_DIR", "CI_RUNNER_EXECUTABLE_ARCH", "CI_RUNNER_REVISION",
	"CI_RUNNER_VERSION", "CI_SERVER", "CI_SHARED_ENVIRONMENT", "RUNNER_TEMP_PROJECT_DIR",
}

var released = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+$`)

// planJob makes what a plan needs of the payload and, for the job's own
// variables only, of the environment: pipelines can set those, so nothing that
// decides over identity or policy is read from there.
func planJob(p *payload, env environment) plan.Job {
	vars := map[string]string{}
	for k, v := range env {
		if key, ok := strings.CutPrefix(k, envVariable); ok && key != jobServicesKey {
			vars[key] = v
		}
	}
	projectDir := vars["CI_PROJECT_DIR"]
	public := map[string]bool{}
	for _, v := range p.Variables {
		public[v.Key] = v.Public
		if _, set := vars[v.Key]; set && v.File {
			// The Runner's scripts write its content there.
			vars[v.Key] = projectDir + ".tmp/" + v.Key
		}
	}
	for _, k := range predefined {
		public[k] = true
	}

	j := plan.Job{
		Key: p.key(), Scope: p.scope(), Timeout: p.timeout(),
		Image:     image(p.Image),
		BuildsDir: buildsDir, ProjectDir: projectDir,
	}
	// Only a tag of the admin's own image is chosen by it.
	if v := vars["CI_RUNNER_VERSION"]; released.MatchString(v) {
		j.RunnerVersion = v
	}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		j.Variables = append(j.Variables, plan.Variable{Key: k, Value: vars[k], Public: public[k]})
	}
	for _, s := range p.Services {
		svc := plan.Service{Image: image(s.payloadImage), Aliases: plan.Words(s.Alias), Command: s.Command}
		for _, v := range s.Variables {
			svc.Variables = append(svc.Variables, plan.Variable{Key: v.Key, Value: expand(v, vars), Public: true})
		}
		j.Services = append(j.Services, svc)
	}
	for _, c := range p.Credentials {
		if c.Type == "registry" {
			j.Credentials = append(j.Credentials, plan.Credential{
				Host: c.URL, Username: c.Username, Password: plan.NewSecret(c.Password),
			})
		}
	}
	return j
}

func image(i payloadImage) plan.Image {
	return plan.Image{
		Name: i.Name, Entrypoint: i.Entrypoint, PullPolicies: i.PullPolicies,
		Platform: i.ExecutorOpts.Docker.Platform, User: string(i.ExecutorOpts.Docker.User),
	}
}

// expand replaces $NAME and ${NAME} in a service's variable, as the Runner
// does; $$ is a dollar.
func expand(v payloadVariable, vars map[string]string) string {
	if v.Raw {
		return v.Value
	}
	return os.Expand(v.Value, func(name string) string {
		if name == "$" {
			return "$"
		}
		return vars[name]
	})
}
