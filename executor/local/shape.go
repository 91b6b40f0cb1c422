package local

import (
	"encoding/json"
	"fmt"
	"slices"
)

// shape is a release of the Runner. Each method tells whether the release has a change, and
// since which release. Source: the history of shells/bash.go, shells/abstract.go,
// executors/custom, common/network.go and common/spec in GitLab Runner.
type shape struct{ major, minor int }

// shapeOf reads a version. Anything else counts as an old release.
func shapeOf(version string) (s shape) {
	_, _ = fmt.Sscanf(version, "%d.%d", &s.major, &s.minor)
	return s
}

func (s shape) since(major, minor int) bool {
	return s.major > major || s.major == major && s.minor >= minor
}

// trapsTerm: a script ends by itself on SIGTERM.
func (s shape) trapsTerm() bool { return s.since(17, 4) }

// bareScriptName: the script's file is no longer called "script.".
func (s shape) bareScriptName() bool { return s.since(17, 4) }

// readsEnvByLine: GITLAB_ENV is read line by line, and not sourced.
func (s shape) readsEnvByLine() bool { return s.since(17, 7) }

// alwaysCleans: cleanup_file_variables comes also without a file variable.
func (s shape) alwaysCleans() bool { return s.since(17, 7) }

// tellsExitCodes: hooks are given BUILD_EXIT_CODE_FILE.
func (s shape) tellsExitCodes() bool { return s.since(17, 9) }

// silencesGit: git never asks a person, and each fetch cleans the repository first.
func (s shape) silencesGit() bool { return s.since(17, 9) }

// preparesFiles: prepare_script removes leftovers of an earlier job.
func (s shape) preparesFiles() bool { return s.since(17, 10) }

// ownsFiles: files go to the user whom another container noted.
func (s shape) ownsFiles() bool { return s.since(17, 11) }

// describesCaches: an archive of a cache has metadata, from a file.
func (s shape) describesCaches() bool { return s.since(18, 4) }

// hidesCredentials: the remote's address has no job token. A configuration of its own has
// the token.
func (s shape) hidesCredentials() bool { return s.since(18, 6) }

// boundsUploads: uploads of artifacts name their bounds.
func (s shape) boundsUploads() bool { return s.since(18, 10) }

// hashesCaches: a cache's archive has a second name.
func (s shape) hashesCaches() bool { return s.since(18, 11) }

// tellsServiceVariables: CI_JOB_SERVICES has services' variables.
func (s shape) tellsServiceVariables() bool { return s.since(19, 0) }

// cleansWithVariables: cleanup_file_variables has the job's variables.
func (s shape) cleansWithVariables() bool { return s.since(19, 0) }

// closesStdin: a script's input is /dev/null, in a subshell, and no pipe.
func (s shape) closesStdin() bool { return s.since(19, 1) }

// knowsSteps: `run:` of a job is in its payload, and becomes a script.
func (s shape) knowsSteps() bool { return s.since(17, 1) }

// fields are the fields of a payload that came with a release. The Runner writes the
// payload anew for hooks, with its known fields only. An older Runner leaves out fields
// that GitLab has sent, and a newer one adds fields that GitLab has not sent.
var fields = []struct {
	major, minor int
	in, name     string
	// empty is the value that a Runner writes for a missing field; nil for none.
	empty any
}{
	{17, 1, "", "run", nil},
	{18, 1, "", "policy_options", nil},
	{18, 1, "job_info", "queue_size", nil},
	{18, 1, "job_info", "queue_depth", nil},
	{18, 4, "git_info", "protected", nil},
	{18, 5, "job_info", "project_full_path", nil},
	{18, 5, "job_info", "namespace_id", nil},
	{18, 5, "job_info", "root_namespace_id", nil},
	{18, 5, "job_info", "organization_id", nil},
	{18, 5, "job_info", "instance_id", nil},
	{18, 5, "job_info", "instance_uuid", nil},
	{18, 5, "job_info", "user_id", nil},
	{18, 7, "", "inputs", map[string]any{}}, // whatever they are: they have no form of their own there
	{19, 0, "job_info", "pipeline_id", 0},
	{19, 0, "features", "tracing", json.RawMessage("null")},
	{19, 3, "", "suspend_options", map[string]any{}},
}

// encode returns the payload in the form of this release.
func (s shape) encode(p Payload) ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return nil, err
	}
	for _, f := range fields {
		object := top
		if f.in != "" {
			object = map[string]json.RawMessage{}
			if err := json.Unmarshal(top[f.in], &object); err != nil {
				return nil, err
			}
		}
		switch {
		case !s.since(f.major, f.minor):
			delete(object, f.name)
		case f.empty != nil:
			if object[f.name], err = json.Marshal(f.empty); err != nil {
				return nil, err
			}
		}
		if f.in != "" {
			if top[f.in], err = json.Marshal(object); err != nil {
				return nil, err
			}
		}
	}
	switch {
	case p.Run == "" && s.since(18, 9):
		delete(top, "run")
	case s.since(18, 9): // decoded, and no longer the text that GitLab sends
		top["run"] = json.RawMessage(p.Run)
	}
	return json.Marshal(top)
}

// stepped changes a payload with `run:` as the Runner does for executors that run no steps
// themselves. The result has a script that calls step-runner, and the job's image must have
// step-runner.
func (s shape) stepped(p Payload) (Payload, error) {
	if p.Run == "" || !s.knowsSteps() {
		return p, nil
	}
	if slices.ContainsFunc(p.Steps, func(s Step) bool { return len(s.Script) > 0 }) {
		return p, fmt.Errorf("the `run` and `script` keywords cannot be used together")
	}
	if p.Image.Name == "" && !s.since(18, 9) {
		p.Image.Name = "registry.gitlab.com/gitlab-org/step-runner:v0"
	}
	p.Variables = append(slices.Clone(p.Variables), Variable{Key: "STEPS", Value: p.Run, Raw: true})
	p.Steps = []Step{{Name: "script", Script: []string{"step-runner ci"}, Timeout: 3600, When: "on_success"}}
	return p, nil
}
