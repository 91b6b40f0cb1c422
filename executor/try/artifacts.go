package try

import (
	"cmp"
	"fmt"
	"slices"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

// artifacts lists a job's uploads: an archive, and reports of variables. A job uploads the
// reports in success and failure.
func artifacts(a *pipeline.Artifacts) (list []local.Artifact) {
	if a == nil {
		return nil
	}
	if len(a.Paths) > 0 || a.Untracked {
		list = append(list, local.Artifact{
			Name: a.Name, Untracked: a.Untracked, Paths: a.Paths, Exclude: a.Exclude, When: a.When,
			ExpireIn: a.ExpireIn, Type: "archive", Format: "zip",
		})
	}
	if len(a.Dotenv) > 0 {
		list = append(list, local.Artifact{
			Name: ".env", Paths: a.Dotenv, When: "always", ExpireIn: a.ExpireIn, Type: "dotenv", Format: "gzip",
		})
	}
	return list
}

// reported returns the variables from the jobs whose artifacts a job gets. Later jobs
// override earlier ones.
func (r *run) reported(j pipeline.Job) (vars []pipeline.Variable) {
	if r.server == nil {
		return nil
	}
	var jobs []int64
	for _, name := range r.pipeline.Sources(j) {
		if id, ran := r.ids[name]; ran {
			jobs = append(jobs, id)
		}
	}
	slices.SortFunc(jobs, cmp.Compare)
	for _, id := range jobs {
		for _, p := range r.server.Dotenv(id) {
			vars = append(vars, pipeline.Variable{Key: p.Key, Value: p.Value})
		}
	}
	return vars
}

// fewReported is GitLab's default bound on the variables of a job's report.
const fewReported = 20

// sayOfReport warns of GitLab's objections to a job's report of variables.
func (r *run) sayOfReport(j pipeline.Job) {
	id := r.ids[j.Name]
	if why := r.server.Refused(id); why != "" {
		r.Warn(j.Name + ": GitLab refuses what it reports: " + why)
	} else if n := len(r.server.Dotenv(id)); n > fewReported {
		r.Warn(fmt.Sprintf("%s: it reports %d variables, and GitLab takes %d where its plan or administrator allows no more", j.Name, n, fewReported))
	}
}
