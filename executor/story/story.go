package story

import (
	"cmp"
	"slices"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/telemetry"
)

// Job holds the known facts about a job. Nil and empty fields are unknown.
type Job struct {
	// Key is the instance and the job's id.
	Key string
	Now time.Time
	// Version is this program's version.
	Version string
	// Sandbox is the job's sandbox, if any, and Live the present state of its containers.
	Sandbox *looking.SandboxStatus
	Live    *looking.Report
	// Bundle is the bundle of a failed job.
	Bundle *bundle.Bundle
	// History holds the calls of the job's hooks, in the order of their starts.
	History []telemetry.Record
	// Missing names the facts that could not be asked for.
	Missing []string
}

// Keys returns the keys of all jobs in these sources, each once.
func Keys(sandboxes []looking.SandboxStatus, bundles []bundle.Bundle, history []telemetry.Record) []string {
	var keys []string
	for _, s := range sandboxes {
		keys = append(keys, s.Job)
	}
	for _, b := range bundles {
		keys = append(keys, b.Job)
	}
	for _, r := range history {
		keys = append(keys, r.Of())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Tell fills in the story of the job j.Key from these sources. Other fields of j stay.
func (j Job) Tell(sandboxes []looking.SandboxStatus, bundles []bundle.Bundle, history []telemetry.Record) Job {
	for _, s := range sandboxes {
		if s.Job == j.Key {
			j.Sandbox = &s
		}
	}
	for _, b := range bundles {
		if b.Job == j.Key {
			j.Bundle = &b
		}
	}
	j.History = slices.DeleteFunc(slices.Clone(history), func(r telemetry.Record) bool { return r.Of() != j.Key })
	return j
}

// runs tells whether the job itself still goes on.
func (j Job) runs() bool {
	return j.Sandbox != nil && slices.Contains([]looking.State{looking.Making, looking.Booting, looking.Running}, j.Sandbox.State)
}

// about returns the job's project, page, ref and stage, from any source that knows them.
func (j Job) about() (project, url, ref, stage string) {
	if s := j.Sandbox; s != nil {
		project, url, ref, stage = s.Project, s.URL, s.Ref, s.Stage
	}
	if b := j.Bundle; b != nil {
		project, url, ref, stage = cmp.Or(project, b.Project), cmp.Or(url, b.URL), cmp.Or(ref, b.Ref), cmp.Or(stage, b.Stage)
	}
	for _, r := range j.History {
		project, url, ref, stage = cmp.Or(project, r.Project), cmp.Or(url, r.URL), cmp.Or(ref, r.Ref), cmp.Or(stage, r.JobStage)
	}
	return project, url, ref, stage
}

// result returns the job's state in a word.
func (j Job) result() string {
	if j.runs() {
		return string(j.Sandbox.State)
	}
	for _, r := range slices.Backward(j.History) {
		if r.JobStatus != "" {
			return r.JobStatus
		}
	}
	if j.Bundle != nil {
		return telemetry.Failed
	}
	return "unknown"
}

// usage returns the resources used by the job's docker daemon, if known.
func (j Job) usage() (looking.Usage, bool) {
	switch {
	case j.Bundle != nil:
		return j.Bundle.Report.Usage, true
	case j.Live != nil:
		return j.Live.Usage, true
	}
	return looking.Usage{}, false
}

// used returns a hook's last note about the resources, or nil.
func (j Job) used() *telemetry.Used {
	for _, r := range slices.Backward(j.History) {
		if r.Used != nil {
			return r.Used
		}
	}
	return nil
}

// nameOf names a call: the stage of a run, else the hook or command.
func nameOf(r telemetry.Record) string {
	return cmp.Or(r.Stage, r.Hook, r.Command)
}

// isBehind tells whether a call ran behind the job, so nobody waited.
func isBehind(r telemetry.Record) bool { return r.Command != "" }
