package pipeline

import "time"

// Job is one job as a pipeline describes it, with its rules decided.
type Job struct {
	Name, Stage string
	// Image is the zero value where none is named.
	Image     Image
	Services  []Image    `json:",omitempty"`
	Variables []Variable `json:",omitempty"`
	// Script is before_script and script, as GitLab sends them.
	Script      []string `json:",omitempty"`
	AfterScript []string `json:",omitempty"`
	// When is on_success, on_failure, always, manual, delayed or never, and Why says
	// why it is never.
	When string
	Why  string `json:",omitempty"`
	// Maybe is for a job of which it is not known whether GitLab runs it, and Cannot
	// for one that cannot run here, whoever names it. They are never run of themselves.
	Maybe, Cannot bool `json:",omitempty"`
	// needsOfRule says that a rule has replaced the needs.
	needsOfRule bool
	// unless is for a job that variables of the project may bring in.
	unless bool
	// Of is the name in the file of a job of which parallel makes several, Index and
	// Total their numbers, from 1.
	Of           string `json:",omitempty"`
	Index, Total int    `json:",omitempty"`
	// AllowFailure lets the pipeline succeed where the job fails; with
	// AllowExitCodes only by one of those.
	AllowFailure   bool  `json:",omitempty"`
	AllowExitCodes []int `json:",omitempty"`
	// Needs are the jobs that this one waits for; nil means all of earlier stages.
	Needs []Need `json:",omitempty"`
	// Dependencies are the jobs whose artifacts it gets; nil means those of the
	// jobs that it waits for.
	Dependencies []string     `json:",omitempty"`
	Artifacts    *Artifacts   `json:",omitempty"`
	Caches       []Cache      `json:",omitempty"`
	Environment  *Environment `json:",omitempty"`
	// Tags are those of runners that may take the job, were this GitLab.
	Tags []string `json:",omitempty"`
	// Timeout is 0 where none is set.
	Timeout time.Duration `json:",omitempty"`
}

// Image is a job's image or one of its services.
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

// Variable is one variable. In a raw one $NAME is not replaced.
type Variable struct {
	Key, Value string
	Raw        bool `json:",omitempty"`
}

// Need is a job that another waits for.
type Need struct {
	Job string
	// Artifacts says whether they are wanted.
	Artifacts bool
	// Optional is for a job that the rules may leave out.
	Optional bool `json:",omitempty"`
	// of are the jobs of a matrix that are meant.
	of []string
}

// Artifacts are what a job leaves for others.
type Artifacts struct {
	Name, When, ExpireIn string   `json:",omitempty"`
	Paths, Exclude       []string `json:",omitempty"`
	Untracked            bool     `json:",omitempty"`
	// Dotenv are the files with variables for others.
	Dotenv []string `json:",omitempty"`
}

// Cache is one cache of a job.
type Cache struct {
	Key, Policy, When   string   `json:",omitempty"`
	Paths, FallbackKeys []string `json:",omitempty"`
	Untracked           bool     `json:",omitempty"`
}
