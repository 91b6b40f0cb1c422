package payload

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/driver/plan"
)

// The scope follows from GitLab's fields alone, for every ref and all variables of a
// pipeline. Only branches and tags have the scope of refs.
func FuzzScope(f *testing.F) {
	f.Add("main", "+refs/heads/main:refs/remotes/origin/main", 2, "CI_COMMIT_REF_PROTECTED", "true")
	f.Add("refs/merge-requests/1/head", "+refs/pipelines/1:refs/pipelines/1", 1, "CI_PIPELINE_SOURCE", "push")
	f.Add("refs/heads/refs/merge-requests/1/head", "", 0, "CI_PROJECT_ID", "1")
	f.Add("REFS/merge-requests/1", "+refs/merge-requests/1/head:x", 1, "", "")
	f.Add("refs/tags/x", "refs/merge-requests/", 2, "CI_SERVER_HOST", "other")
	f.Fuzz(func(t *testing.T, ref, refspec string, protection int, key, value string) {
		of := func(variables []map[string]any) plan.Job {
			git := map[string]any{"repo_url": "https://gitlab.example.com/g/a.git", "ref": ref, "refspecs": []string{refspec}}
			if p := protection % 3; p != 0 {
				git["protected"] = p == 2
			}
			b, err := json.Marshal(map[string]any{"id": 7, "job_info": map[string]any{"project_id": 42}, "git_info": git, "variables": variables})
			if err != nil {
				t.Fatal(err) // text of any bytes has a form in JSON
			}
			p, err := decode(strings.NewReader(string(b)))
			if err != nil {
				t.Fatal(err)
			}
			return ForPlan(p, Environment{envVariable + key: value})
		}
		job := of(nil)
		lying := of([]map[string]any{{"key": key, "value": value, "public": true}})
		if job.Scope != lying.Scope || job.Inherits != lying.Inherits || job.Protection != lying.Protection || !slices.Equal(job.Instances, lying.Instances) {
			t.Errorf("a variable made %s of %s", lying.Scope, job.Scope)
		}
		refs, ours := strings.CutPrefix(job.Scope, "gitlab.example.com/42/")
		if !ours {
			t.Fatalf("scope %q", job.Scope)
		}
		other := strings.HasPrefix(ref, "refs/") && !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/tags/")
		switch refs {
		case "protected", "protected-merge-requests":
			if job.Protection != plan.Protected || other && refs == "protected" {
				t.Errorf("%q (%s) has the scope %s", ref, job.Protection, refs)
			}
		case "unprotected", "merge-requests":
			if job.Protection != plan.Unprotected || other && refs == "unprotected" {
				t.Errorf("%q (%s) has the scope %s", ref, job.Protection, refs)
			}
		case "job-7":
			if job.Shares() {
				t.Errorf("%q shares what nobody has", ref)
			}
		default:
			t.Errorf("%q has the scope %s", ref, refs)
		}
	})
}
