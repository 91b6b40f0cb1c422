package payload

import (
	"maps"
	"os"
	"slices"
	"strings"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/executor/featureflags"
)

// The places of a job's sources and of its cache in its containers.
const (
	BuildsDir = "/builds"
	CacheDir  = "/cache"
)

// predefined are public variables of the Runner that the payload lacks. A service sees them
// here as with the docker executor.
var predefined = []string{
	"CI_BUILDS_DIR", "CI_CONCURRENT_ID", "CI_CONCURRENT_PROJECT_ID", "CI_DISPOSABLE_ENVIRONMENT", "CI_JOB_IMAGE",
	"CI_JOB_STATUS", "CI_JOB_TIMEOUT", "CI_PROJECT_DIR", "CI_RUNNER_EXECUTABLE_ARCH", "CI_RUNNER_REVISION",
	"CI_RUNNER_VERSION", "CI_SERVER", "CI_SHARED_ENVIRONMENT", "RUNNER_TEMP_PROJECT_DIR",
}

// ForPlan makes the job for a plan from the payload. The environment serves for the job's
// own variables only. Pipelines can set these, so identity and policy never depend on them.
func ForPlan(p *Job, env Environment) plan.Job {
	vars := map[string]string{}
	for k, v := range env {
		if key, ok := strings.CutPrefix(k, envVariable); ok && key != jobServicesKey {
			vars[key] = v
		}
	}
	projectDir := vars["CI_PROJECT_DIR"]
	public, files := map[string]bool{}, map[string]bool{}
	for _, v := range p.Variables { // the last of duplicates wins
		public[v.Key], files[v.Key] = v.Public, v.File
	}
	for k, s := range p.Secrets { // secrets come after the variables
		public[k], files[k] = false, s.File == nil || *s.File
	}
	for k, file := range files {
		if _, set := vars[k]; set && file {
			// The Runner's scripts write the secret's content there.
			vars[k] = projectDir + ".tmp/" + k
		}
	}
	for _, k := range predefined {
		public[k] = true
	}
	// The payload lacks the variables of `environment` in config.toml, the place for
	// proxies. The docker executor gives them to services.
	for _, k := range plan.ProxyVariables {
		if _, sent := files[k]; !sent {
			public[k] = true
		}
	}

	j := plan.Job{
		Key: p.Key(), Scope: scopeIn(env[envInstallation], p.scope()), Timeout: p.Timeout(),
		Inherits: scopeIn(env[envInstallation], p.inherits()),
		About:    p.About(), Project: p.Project(), Protection: plan.ProtectionOf(p.GitInfo.Protected), Instances: p.instances(),
		Image:     planImage(p.Image, vars),
		BuildsDir: BuildsDir, ProjectDir: projectDir, Cached: len(p.Cache) > 0,
	}
	j.Init = featureflags.On(featureflags.UseInit, func(key string) string { return vars[key] })
	if p.JobInfo.ProjectID > 0 { // else nobody would ever find the volume again
		j.CacheDir, j.Lasting = CacheDir, true
	}
	j.RunnerVersion = env.RunnerVersion() // chooses no more than a tag of the admin's own image
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		j.Variables = append(j.Variables, plan.Variable{Key: k, Value: vars[k], Public: public[k]})
	}
	for _, s := range p.Services {
		svc := plan.Service{Image: planImage(s.jobImage, vars), Aliases: plan.Words(s.Alias), Command: s.Command}
		own := maps.Clone(vars)
		for _, v := range s.Variables {
			own[v.Key] = v.Value
		}
		for _, v := range s.Variables {
			value := v.Value
			if !v.Raw {
				value = expand(value, own)
			}
			svc.Variables = append(svc.Variables, plan.Variable{Key: v.Key, Value: value, Public: true})
		}
		j.Services = append(j.Services, svc)
	}
	return j
}

func planImage(i jobImage, vars map[string]string) plan.Image {
	opts := i.ExecutorOpts.Docker
	return plan.Image{
		Name: i.Name, Entrypoint: i.Entrypoint, PullPolicies: i.PullPolicies,
		Platform: expand(opts.Platform, vars), User: expand(string(opts.User), vars),
	}
}

// expand replaces $NAME and ${NAME} in values that the Runner leaves to its executors:
// services' variables, users and platforms. $$ is a dollar. A service's variable sees the
// service's other variables unexpanded, as with the Runner.
func expand(value string, vars map[string]string) string {
	return os.Expand(value, func(name string) string {
		if name == "$" {
			return "$"
		}
		return vars[name]
	})
}
