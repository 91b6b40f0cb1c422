package try

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/fault"
)

// choose returns the jobs with the given names, or all jobs.
func choose(p pipeline.Pipeline, names []string) ([]pipeline.Job, error) {
	if len(names) == 0 {
		return p.Jobs, nil
	}
	for _, n := range names {
		i := slices.IndexFunc(p.Jobs, func(j pipeline.Job) bool { return j.Name == n || j.Of == n })
		if i < 0 {
			return nil, fault.Job(fmt.Errorf("there is no job %q in this pipeline", n), "it has: "+strings.Join(namesOf(p), ", "))
		}
		if j := p.Jobs[i]; j.Cannot {
			return nil, fault.Job(fmt.Errorf("job %s cannot run here: %s", n, j.Why), "--list shows which jobs can; --file takes the merged YAML of GitLab, too")
		}
	}
	var chosen []pipeline.Job
	for _, j := range p.Jobs {
		if slices.Contains(names, j.Name) || slices.Contains(names, j.Of) {
			// The job alone decides the result, also a manual job or a job that may fail.
			j.AllowFailure = false
			switch j.When {
			case "always", "on_failure":
				j.When = "always"
			default:
				j.When = "on_success"
			}
			chosen = append(chosen, j)
		}
	}
	return chosen, nil
}

// namesOf lists the names for --job: those of all jobs, and those shared by copies of a
// job.
func namesOf(p pipeline.Pipeline) (names []string) {
	for _, j := range p.Jobs {
		if j.Of != "" && !slices.Contains(names, j.Of) {
			names = append(names, j.Of)
		}
		names = append(names, j.Name)
	}
	return names
}

// listJobs prints the jobs in their order to run.
func listJobs(out io.Writer, p pipeline.Pipeline) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTAGE\tWHEN")
	for _, j := range p.Jobs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", j.Name, j.Stage, whenOf(j))
	}
	return w.Flush()
}

// whenOf says when a job runs, or why not.
func whenOf(j pipeline.Job) string {
	switch {
	case j.Cannot:
		return "not runnable: " + j.Why
	case j.Why != "":
		return j.When + ": " + j.Why
	default:
		return j.When
	}
}

// listed is a job in the output of --list --json.
type listed struct {
	Name  string `json:"name"`
	Stage string `json:"stage"`
	// When is on_success, on_failure, always, manual, delayed or never.
	When string `json:"when"`
	// Runnable tells whether the job can run here. Known tells whether the job's run on
	// GitLab is known. Why is the reason against a run.
	Runnable     bool     `json:"runnable"`
	Known        bool     `json:"known"`
	Why          string   `json:"why,omitempty"`
	AllowFailure bool     `json:"allow_failure"`
	Image        string   `json:"image,omitempty"`
	Services     []string `json:"services,omitempty"`
	Needs        []string `json:"needs,omitempty"`
	Tags         []string `json:"tags,omitempty"`
	Environment  string   `json:"environment,omitempty"`
}

// listJSON prints the known facts about the pipeline as a JSON document.
func listJSON(out io.Writer, p pipeline.Pipeline) error {
	list := struct {
		Stages   []string `json:"stages"`
		Jobs     []listed `json:"jobs"`
		Warnings []string `json:"warnings"`
	}{p.Stages, []listed{}, append([]string{}, p.Warnings...)}
	for _, j := range p.Jobs {
		l := listed{
			Name: j.Name, Stage: j.Stage, When: j.When, Runnable: !j.Cannot, Known: !j.Maybe, Why: j.Why,
			AllowFailure: j.AllowFailure, Image: j.Image.Name, Tags: j.Tags,
		}
		for _, s := range j.Services {
			l.Services = append(l.Services, s.Name)
		}
		for _, n := range j.Needs {
			l.Needs = append(l.Needs, n.Job)
		}
		if j.Environment != nil {
			l.Environment = j.Environment.Name
		}
		list.Jobs = append(list.Jobs, l)
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(list)
}
