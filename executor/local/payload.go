package local

// Payload is the job as GitLab sends it to the Runner, and as the Runner hands
// it on in JOB_RESPONSE_FILE. The JSON names and the order are GitLab's.
type Payload struct {
	ID            int64         `json:"id"`
	Token         string        `json:"token"`
	AllowGitFetch bool          `json:"allow_git_fetch"`
	JobInfo       JobInfo       `json:"job_info"`
	GitInfo       GitInfo       `json:"git_info"`
	RunnerInfo    RunnerInfo    `json:"runner_info"`
	Variables     []Variable    `json:"variables"`
	Steps         []Step        `json:"steps"`
	Image         Image         `json:"image"`
	Services      []Image       `json:"services"`
	Artifacts     []Artifact    `json:"artifacts"`
	Cache         []Cache       `json:"cache"`
	Credentials   []Credentials `json:"credentials"`
	Dependencies  []Dependency  `json:"dependencies"`
	Features      Features      `json:"features"`
	Run           string        `json:"run"`
	PolicyOptions PolicyOptions `json:"policy_options"`
}

// JobInfo identifies the job, its project and its instance.
type JobInfo struct {
	Name               string  `json:"name"`
	Stage              string  `json:"stage"`
	ProjectID          int64   `json:"project_id"`
	ProjectName        string  `json:"project_name"`
	ProjectFullPath    string  `json:"project_full_path"`
	NamespaceID        int64   `json:"namespace_id"`
	RootNamespaceID    int64   `json:"root_namespace_id"`
	OrganizationID     int64   `json:"organization_id"`
	InstanceID         string  `json:"instance_id"`
	InstanceUUID       string  `json:"instance_uuid"`
	UserID             int64   `json:"user_id"`
	TimeInQueueSeconds float64 `json:"time_in_queue_seconds"`
	// ProjectJobsRunning is a number or "Inf+", hence a string.
	ProjectJobsRunning string `json:"project_jobs_running_on_instance_runners_count"`
	QueueSize          int64  `json:"queue_size"`
	QueueDepth         int64  `json:"queue_depth"`
}

// GitInfo names the commit to fetch and check out.
type GitInfo struct {
	// RepoURL carries the job token as its password.
	RepoURL          string   `json:"repo_url"`
	RepoObjectFormat string   `json:"repo_object_format"`
	Ref              string   `json:"ref"`
	SHA              string   `json:"sha"`
	BeforeSHA        string   `json:"before_sha"`
	RefType          string   `json:"ref_type"`
	Refspecs         []string `json:"refspecs"`
	// Depth is the number of commits to fetch; 0 is all of them.
	Depth int `json:"depth"`
	// Protected is nil where GitLab is older than 18.3.
	Protected *bool `json:"protected"`
}

// RunnerInfo holds the job's timeout.
type RunnerInfo struct {
	// Timeout is in seconds; 0 stands for the Runner's default of two hours.
	Timeout int `json:"timeout"`
}

// Variable is a CI/CD variable.
type Variable struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Public bool   `json:"public"`
	// File marks a value for a file. The variable then holds the file's path.
	File   bool `json:"file"`
	Masked bool `json:"masked"`
	// Raw marks a value in which $NAME is not replaced.
	Raw bool `json:"raw"`
}

// Step is a script: "script" and others run in order, "after_script" last.
type Step struct {
	Name   string   `json:"name"`
	Script []string `json:"script"`
	// Timeout is in seconds. The Runner ignores the field.
	Timeout      int    `json:"timeout"`
	When         string `json:"when"`
	AllowFailure bool   `json:"allow_failure"`
}

// Image is the job's image or a service.
type Image struct {
	Name string `json:"name"`
	// Alias is a list, separated by spaces or commas.
	Alias        string          `json:"alias,omitempty"`
	Command      []string        `json:"command,omitempty"`
	Entrypoint   []string        `json:"entrypoint,omitempty"`
	Ports        []Port          `json:"ports,omitempty"`
	Variables    []Variable      `json:"variables,omitempty"`
	PullPolicy   []string        `json:"pull_policy,omitempty"`
	ExecutorOpts ExecutorOptions `json:"executor_opts"`
}

// Port is a port that a service offers to the web terminal.
type Port struct {
	Number   int    `json:"number,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	Name     string `json:"name,omitempty"`
}

// ExecutorOptions holds the settings of `image:docker` and `image:kubernetes`.
type ExecutorOptions struct {
	Docker     DockerOptions     `json:"docker"`
	Kubernetes KubernetesOptions `json:"kubernetes"`
}

// DockerOptions holds the settings of `image:docker`.
type DockerOptions struct {
	Platform string `json:"platform"`
	User     string `json:"user"`
}

// KubernetesOptions holds the settings of `image:kubernetes`.
type KubernetesOptions struct {
	User string `json:"user"`
}

// Artifact is an archive or a report to upload.
type Artifact struct {
	Name      string   `json:"name"`
	Untracked bool     `json:"untracked"`
	Paths     []string `json:"paths"`
	Exclude   []string `json:"exclude"`
	When      string   `json:"when"`
	Type      string   `json:"artifact_type"`
	Format    string   `json:"artifact_format"`
	ExpireIn  string   `json:"expire_in"`
}

// Cache is a cache to restore before the script and to archive after the script.
type Cache struct {
	Key          string   `json:"key"`
	Untracked    bool     `json:"untracked"`
	Policy       string   `json:"policy"`
	Paths        []string `json:"paths"`
	When         string   `json:"when"`
	FallbackKeys []string `json:"fallback_keys"`
}

// Credentials is a login that GitLab made for the job, usually of type "registry".
type Credentials struct {
	Type     string `json:"type"`
	URL      string `json:"url"`
	Username string `json:"username"`
	Password string `json:"password"`
}

// Dependency is an earlier job whose artifacts this job downloads.
type Dependency struct {
	ID            int64         `json:"id"`
	Token         string        `json:"token"`
	Name          string        `json:"name"`
	ArtifactsFile ArtifactsFile `json:"artifacts_file"`
}

// ArtifactsFile names a dependency's archive; an empty name means no archive.
type ArtifactsFile struct {
	Filename string `json:"filename"`
	// Size is in bytes.
	Size int64 `json:"size"`
}

// Features lists features of this GitLab.
type Features struct {
	TraceSections     bool     `json:"trace_sections"`
	TokenMaskPrefixes []string `json:"token_mask_prefixes"`
	FailureReasons    []string `json:"failure_reasons"`
}

// PolicyOptions says whether a pipeline execution policy injected the job.
type PolicyOptions struct {
	PolicyJob bool   `json:"execution_policy_job"`
	Name      string `json:"policy_name"`
}
