package local

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// generation is a release as a hook sees it.
type generation struct {
	script   string // the name of its file
	exitCode bool
	// head is the beginning of scripts.
	head string
	// there and absent are fields of the payload, by "object.name".
	there, absent []string
	run           string // of a job with `run:`
}

var generations = map[string]generation{
	"16.11.0": {
		"script.", false, "#!/usr/bin/env bash\n\nif set -o | grep pipefail",
		[]string{"job_info.project_id", "git_info.repo_url"},
		[]string{"run", "policy_options", "inputs", "suspend_options", "git_info.protected", "job_info.instance_uuid", "job_info.project_full_path", "job_info.pipeline_id"},
		"",
	},
	"17.11.0": {
		"script", true, "#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\nif set -o",
		[]string{"run"},
		[]string{"policy_options", "inputs", "git_info.protected", "job_info.instance_uuid"},
		`"[{\"name\":\"a\",\"step\":\"./a\"}]"`,
	},
	"18.6.6": {
		"script", true, "#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\nif set -o",
		[]string{"run", "policy_options", "git_info.protected", "job_info.instance_uuid"},
		[]string{"inputs", "job_info.pipeline_id", "suspend_options"},
		`"[{\"name\":\"a\",\"step\":\"./a\"}]"`,
	},
	"18.11.0": {
		"script", true, "#!/usr/bin/env bash\n\ntrap exit 1 TERM\n\nif set -o",
		[]string{"policy_options", "inputs", "git_info.protected", "job_info.instance_uuid"},
		[]string{"run", "job_info.pipeline_id", "features.tracing", "suspend_options"},
		`[{"name":"a","step":"./a"}]`,
	},
	"19.3.0": {
		"script", true, "#!/usr/bin/env bash\n\ntrap 'exit 1' TERM\n\ncase \"$(set -o)\"",
		[]string{"policy_options", "inputs", "git_info.protected", "job_info.pipeline_id", "features.tracing", "suspend_options"},
		[]string{"run"},
		`[{"name":"a","step":"./a"}]`,
	},
}

func TestEachReleaseHasItsShape(t *testing.T) {
	for _, version := range releases {
		t.Run(version, func(t *testing.T) {
			want := generations[version]
			g := newRig(t, nil)
			g.Version = version
			g.expect(g.run(fixture(t)), Success, 0, "")
			script := g.last("build_script")
			if name := filepath.Base(script.Args[1]); name != want.script {
				t.Errorf("the script is in %q", name)
			}
			if got := script.env("BUILD_EXIT_CODE_FILE") != ""; got != want.exitCode {
				t.Errorf("a file for exit codes: %v", got)
			}
			if !strings.HasPrefix(script.Script, want.head) {
				t.Errorf("the script begins\n%.200s", script.Script)
			}
			var payload map[string]any
			if err := json.Unmarshal([]byte(g.last("prepare").Response), &payload); err != nil {
				t.Fatal(err)
			}
			has := func(field string) bool {
				object := payload
				outer, name, nested := strings.Cut(field, ".")
				if !nested {
					outer, name = "", field
				}
				if nested {
					object, _ = payload[outer].(map[string]any)
				}
				_, ok := object[name]
				return ok
			}
			for _, f := range want.there {
				if !has(f) {
					t.Errorf("the payload lacks %s", f)
				}
			}
			for _, f := range want.absent {
				if has(f) {
					t.Errorf("the payload has %s, which this release does not know", f)
				}
			}
		})
	}
}

// Executors that run no steps themselves get a script instead.
func TestStepsComeAsAScript(t *testing.T) {
	for _, version := range releases {
		t.Run(version, func(t *testing.T) {
			want := generations[version].run
			g := newRig(t, nil)
			g.Version = version
			p := small()
			p.Steps, p.Run = nil, `[{"name":"a","step":"./a"}]`
			g.run(p)
			var payload struct {
				Run   json.RawMessage
				Steps []Step
			}
			if err := json.Unmarshal([]byte(g.last("prepare").Response), &payload); err != nil {
				t.Fatal(err)
			}
			if string(payload.Run) != want {
				t.Errorf("run is %s, not %s", payload.Run, want)
			}
			if shimmed := len(payload.Steps) == 1 && payload.Steps[0].Script[0] == "step-runner ci"; shimmed != (want != "") {
				t.Errorf("steps are %+v", payload.Steps)
			}
			if steps := g.last("prepare").env("CUSTOM_ENV_STEPS"); (steps == p.Run) != (want != "") {
				t.Errorf("STEPS is %q", steps)
			}
		})
	}
	g := newRig(t, nil)
	p := small()
	p.Run = "[]"
	g.expect(g.run(p), SystemFailure, 0, "the `run` and `script` keywords cannot be used together")
	g.expectCalls("")
}
