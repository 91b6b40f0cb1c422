package local

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gitlab.com/gitlab-org/gitlab-runner/executors/custom/api"
)

// customEnvPrefix marks variables of the job in a hook's environment.
const customEnvPrefix = "CUSTOM_ENV_"

// environment returns a hook's environment in the Runner's order. Of duplicates the last
// wins, so job_env may set TMPDIR and a job's variable cannot.
func (a *attempt) environment() []string {
	env := slices.Clone(a.build.runner.Env)
	env = append(
		env,
		"TMPDIR="+a.dir,
		api.BuildFailureExitCodeVariable+"="+strconv.Itoa(buildFailureExit),
		api.SystemFailureExitCodeVariable+"="+strconv.Itoa(systemFailureExit),
	)
	if a.build.shape.tellsExitCodes() {
		env = append(env, api.BuildCodeFileVariable+"="+a.exitCodeFile())
	}
	env = append(env, api.JobResponseFileVariable+"="+a.responseFile())
	for _, key := range slices.Sorted(maps.Keys(a.jobEnv)) {
		env = append(env, key+"="+a.jobEnv[key])
	}
	vars := a.build.variables()
	for _, v := range vars {
		env = append(env, customEnvPrefix+v.Key+"="+v.Value)
	}
	return append(env, customEnvPrefix+"CI_JOB_SERVICES="+a.build.servicesJSON(vars))
}

// servicesJSON is the value of CI_JOB_SERVICES: the services with their first alias alone
// and, from 19 on, with their variables.
func (b *build) servicesJSON(vars variables) string {
	type service struct {
		Name       string            `json:"name"`
		Alias      string            `json:"alias"`
		Entrypoint []string          `json:"entrypoint"`
		Command    []string          `json:"command"`
		Variables  map[string]string `json:"variables,omitempty"`
	}
	if len(b.payload.Services) == 0 {
		return ""
	}
	services := make([]service, 0, len(b.payload.Services))
	for _, s := range b.payload.Services {
		out := service{Name: s.Name, Alias: firstAlias(s.Alias), Entrypoint: s.Entrypoint, Command: s.Command}
		if b.shape.tellsServiceVariables() && len(s.Variables) > 0 {
			all := append(slices.Clone(vars), s.Variables...).expand()
			out.Variables = make(map[string]string, len(s.Variables))
			for _, v := range s.Variables {
				out.Variables[v.Key] = all.value(v.Key)
			}
		}
		services = append(services, out)
	}
	text, err := json.Marshal(services)
	if err != nil {
		b.log.warn("Unable to serialize CI_JOB_SERVICES json: " + err.Error())
	}
	return string(text)
}

func firstAlias(list string) string {
	aliases := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' })
	return append(aliases, "")[0]
}
