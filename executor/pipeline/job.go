package pipeline

import "time"

// Job is a job of a pipeline, with its rules decided.
type Job struct {
	Name, Stage string
	// Image is the zero value without an image.
	Image     Image
	Services  []Image    `json:",omitempty"`
	Variables []Variable `json:",omitempty"`
	// Script is before_script and script, as GitLab sends them.
	Script      []string `json:",omitempty"`
	AfterScript []string `json:",omitempty"`
	// When is on_success, on_failure, always, manual, delayed or never. Why is the reason
	// for never.
	When string
	Why  string `json:",omitempty"`
	// Maybe marks a job whose run on GitLab is not known. Cannot marks a job that cannot
	// run here, even on request. Neither runs by itself.
	Maybe, Cannot bool `json:",omitempty"`
	// needsOfRule tells whether a rule has replaced the needs.
	needsOfRule bool
	// unless marks a job that variables of the project may bring in.
	unless bool
	// Of is the name in the file of a job that parallel multiplies. Index and Total are the
	// copy's numbers, from 1.
	Of           string `json:",omitempty"`
	Index, Total int    `json:",omitempty"`
	// AllowFailure lets the pipeline succeed where the job fails. AllowExitCodes limits
	// this to some exit codes.
	AllowFailure   bool  `json:",omitempty"`
	AllowExitCodes []int `json:",omitempty"`
	// Needs are the jobs that this job waits for; nil means all of earlier stages.
	Needs []Need `json:",omitempty"`
	// Dependencies are the jobs whose artifacts this job gets. nil means the jobs that this
	// job waits for: those of Needs or, without Needs, all of earlier stages.
	Dependencies []string     `json:",omitempty"`
	Artifacts    *Artifacts   `json:",omitempty"`
	Caches       []Cache      `json:",omitempty"`
	Environment  *Environment `json:",omitempty"`
	// Tags are the tags of runners that may take the job on GitLab.
	Tags []string `json:",omitempty"`
	// Timeout is 0 without a timeout.
	Timeout time.Duration `json:",omitempty"`
}

// Image is a job's image or a service.
type Image struct {
	Name       string
	Aliases    []string   `json:",omitempty"`
	Entrypoint []string   `json:",omitempty"`
	Command    []string   `json:",omitempty"`
	PullPolicy []string   `json:",omitempty"`
	Variables  []Variable `json:",omitempty"`
	User       string     `json:",omitempty"`
	Platform   string     `json:",omitempty"`
}

// Variable is a variable. In a raw value, $NAME is not replaced.
type Variable struct {
	Key, Value string
	Raw        bool `json:",omitempty"`
}

// Need is a job that another waits for.
type Need struct {
	Job string
	// Artifacts tells whether the artifacts are wanted.
	Artifacts bool
	// Optional is for a job that the rules may leave out.
	Optional bool `json:",omitempty"`
	// of names the wanted jobs of a matrix.
	of []string
}

// Artifacts are a job's files for other jobs.
type Artifacts struct {
	Name, When, ExpireIn string   `json:",omitempty"`
	Paths, Exclude       []string `json:",omitempty"`
	Untracked            bool     `json:",omitempty"`
	// Dotenv are the files with variables for others.
	Dotenv []string `json:",omitempty"`
}

// Cache is a cache of a job.
type Cache struct {
	Key, Policy, When   string   `json:",omitempty"`
	Paths, FallbackKeys []string `json:",omitempty"`
	Untracked           bool     `json:",omitempty"`
}
