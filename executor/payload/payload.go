package payload

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// maxPayload bounds the payload, in bytes; GitLab's own limits keep payloads far below.
const maxPayload = 64 << 20

// Job holds the fields in use of the job as GitLab sent it. The Runner's own types need
// modules that Go's module proxy does not serve, so these types are ours. Source: GitLab
// Runner's job response.
type Job struct {
	ID      int64  `json:"id"`
	Token   string `json:"token"`
	JobInfo struct {
		ProjectID    int64  `json:"project_id"`
		ProjectPath  string `json:"project_full_path"`
		InstanceUUID string `json:"instance_uuid"`
		Stage        string `json:"stage"`
	} `json:"job_info"`
	GitInfo struct {
		RepoURL string `json:"repo_url"`
		// Ref is a branch or a tag by its name, anything else by its whole path.
		Ref      string   `json:"ref"`
		SHA      string   `json:"sha"`
		Refspecs []string `json:"refspecs"`
		// Protected is nil before GitLab 18.3, and with a Runner before 18.4. Such a Runner
		// writes the payload anew with the fields that it knows.
		Protected *bool `json:"protected"`
	} `json:"git_info"`
	RunnerInfo struct {
		// Timeout is in seconds.
		Timeout int64 `json:"timeout"`
	} `json:"runner_info"`
	// Features are the features of this GitLab.
	Features struct {
		TraceSections bool `json:"trace_sections"`
	} `json:"features"`
	Variables []jobVariable `json:"variables"`
	Image     jobImage      `json:"image"`
	Services  []jobService  `json:"services"`
	Cache     []struct {
		Key string `json:"key"`
	} `json:"cache"`
	// Secrets are variables whose values the Runner fetches. A secret is a file unless File
	// says otherwise.
	Secrets map[string]struct {
		File *bool `json:"file"`
	} `json:"secrets"`
	Credentials []struct {
		Type     string `json:"type"`
		URL      string `json:"url"`
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"credentials"`
	// Run holds the steps of a job with `run:`. GitLab Runner before 18.9 sends a text with
	// JSON, later Runners the JSON itself.
	Run json.RawMessage `json:"run"`

	// NoPage says that no GitLab has the job: it is one of a try.
	NoPage bool `json:"-"`
}

type jobVariable struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Public bool   `json:"public"`
	File   bool   `json:"file"`
	Raw    bool   `json:"raw"`
	Masked bool   `json:"masked"`
}

type jobImage struct {
	Name         string   `json:"name"`
	Entrypoint   []string `json:"entrypoint"`
	PullPolicies []string `json:"pull_policy"`
	ExecutorOpts struct {
		Docker struct {
			Platform string `json:"platform"`
			User     user   `json:"user"`
		} `json:"docker"`
	} `json:"executor_opts"`
}

type jobService struct {
	jobImage
	// Alias holds one or several names, separated by spaces or commas.
	Alias     string        `json:"alias"`
	Command   []string      `json:"command"`
	Variables []jobVariable `json:"variables"`
}

// user is a name or a number in a pipeline.
type user string

func (u *user) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, (*string)(u)); err == nil {
		return nil
	}
	err := json.Unmarshal(b, &n)
	*u = user(n.String())
	return err
}

// The Runner's own default for a job without a timeout, and a bound on nonsense.
const (
	defaultTimeout = 2 * time.Hour
	maxTimeout     = 31 * 24 * time.Hour
)

const payloadHint = "hooks are called by GitLab Runner 12.6 or later; it sets JOB_RESPONSE_FILE"

// Read reads the payload from the file in JOB_RESPONSE_FILE. A missing, broken or too large
// payload is a fault of the system.
func Read(path string) (*Job, error) {
	if path == "" {
		return nil, fault.System(errors.New("no job payload: JOB_RESPONSE_FILE is not set"), payloadHint)
	}
	f, err := hostfile.OpenNamed(path)
	if err != nil {
		return nil, fault.System(fmt.Errorf("reading the job payload: %w", err), payloadHint)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxPayload {
		return nil, fault.System(fmt.Errorf("the job payload has %d bytes, more than %d", info.Size(), maxPayload), payloadHint)
	}
	return decode(f)
}

// decode reads a payload, and refuses a payload without the job's identity.
func decode(src io.Reader) (*Job, error) {
	var p Job
	dec := json.NewDecoder(io.LimitReader(src, maxPayload))
	if err := dec.Decode(&p); err != nil {
		return nil, fault.System(fmt.Errorf("the job payload is broken: %w", err), "retry the job; look at the disk of this host")
	}
	if p.ID <= 0 {
		return nil, fault.System(errors.New("the job payload has no job id"), payloadHint)
	}
	if p.instance() == "" {
		return nil, fault.System(errors.New("the job payload names no GitLab instance"), payloadHint)
	}
	return &p, nil
}

// Unfit says why no sandbox can run the job, or returns nil. The only unfit job is a job
// with `run:`. Its script calls step-runner, which the job's image lacks. The error keeps
// people from searching for step-runner in the image.
func (p *Job) Unfit() error {
	switch string(p.Run) {
	case "", "null", `""`, "[]", `"[]"`:
		return nil
	}
	return fault.Job(errors.New("the job has steps (run:), and this runner runs only scripts"),
		"write the job with script:, or let a runner with GitLab's docker executor have it")
}

// instance identifies the GitLab instance: two instances may share an engine.
func (p *Job) instance() string {
	if p.JobInfo.InstanceUUID != "" {
		return p.JobInfo.InstanceUUID
	}
	u, err := url.Parse(p.GitInfo.RepoURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// instances returns the names by which settings may call the GitLab: its host, with an
// unusual port, and its id. Both come from GitLab, and no pipeline has a hand in them.
func (p *Job) instances() (names []string) {
	if u, err := url.Parse(p.GitInfo.RepoURL); err == nil && u.Hostname() != "" {
		host := u.Host
		if usual := map[string]string{"https": "443", "http": "80"}; u.Port() == usual[u.Scheme] {
			host = strings.TrimSuffix(host, ":"+u.Port())
		}
		names = append(names, strings.ToLower(host))
	}
	if id := p.JobInfo.InstanceUUID; id != "" {
		names = append(names, id)
	}
	return names
}

// Project returns the project's path. An older GitLab gives the path in the repository's
// address only.
func (p *Job) Project() string {
	if p.JobInfo.ProjectPath != "" {
		return p.JobInfo.ProjectPath
	}
	u, err := url.Parse(p.GitInfo.RepoURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
}

// About returns the facts by which people know the job: page, ref and stage.
func (p *Job) About() plan.About {
	return plan.About{URL: p.page(), Ref: p.GitInfo.Ref, Stage: p.JobInfo.Stage}
}

// page returns the URL of the job's page in its GitLab, or "". The repository's address
// contains the job's token, so only its scheme, host and path are used.
func (p *Job) page() string {
	repo, err := url.Parse(p.GitInfo.RepoURL)
	if p.NoPage || err != nil || repo.Scheme != "https" && repo.Scheme != "http" || repo.Host == "" {
		return ""
	}
	project := strings.TrimSuffix(strings.Trim(repo.Path, "/"), ".git")
	if project == "" {
		return ""
	}
	page := url.URL{Scheme: repo.Scheme, Host: repo.Host, Path: fmt.Sprintf("/%s/-/jobs/%d", project, p.ID)}
	return page.String()
}

// Key identifies the job on the engine, as INSTANCE/ID.
func (p *Job) Key() string {
	return fmt.Sprintf("%s/%d", p.instance(), p.ID)
}

// scope identifies the caches and layers that the job may use. Each project has three
// scopes: for protected refs, for unprotected refs, and for merge requests. A job shares
// with no other when its payload names no project, or leaves the ref's protection open.
func (p *Job) scope() string {
	project := strconv.FormatInt(p.JobInfo.ProjectID, 10)
	if p.JobInfo.ProjectID <= 0 {
		project = fmt.Sprintf("job-%d", p.ID)
	}
	protection := plan.ProtectionOf(p.GitInfo.Protected)
	refs := string(protection)
	switch {
	case protection == plan.ProtectionUnknown:
		refs = fmt.Sprintf("job-%d", p.ID)
	case p.ofMergeRequest() && protection == plan.Protected:
		refs = "protected-merge-requests"
	case p.ofMergeRequest():
		refs = "merge-requests"
	}
	return p.instance() + "/" + project + "/" + refs
}

// inherits names the scope of the project's protected refs, for a job of other refs or of
// merge requests. Other jobs get "".
func (p *Job) inherits() string {
	protection := plan.ProtectionOf(p.GitInfo.Protected)
	if p.JobInfo.ProjectID <= 0 || protection == plan.ProtectionUnknown || protection == plan.Protected && !p.ofMergeRequest() {
		return ""
	}
	return p.instance() + "/" + strconv.FormatInt(p.JobInfo.ProjectID, 10) + "/" + string(plan.Protected)
}

// scopeIn returns a scope within one of several installations on an engine. The names of
// caches and layers follow from the scope, so no installation has those of another.
func scopeIn(installation, scope string) string {
	if installation == "" || scope == "" {
		return scope
	}
	return scope + "/" + installation
}

// ofMergeRequest tells whether the job runs on a merge request, not on a branch or a tag.
// GitLab keeps a merge request at refs/merge-requests/, and a fork may have sent it.
// GitLab's ref_type says "branch" there, too. A merge request's pipeline on the source
// branch itself belongs to the branch.
//
// Sources: GitLab's app/presenters/ci/build_runner_presenter.rb and
// app/services/merge_requests/create_pipeline_service.rb.
func (p *Job) ofMergeRequest() bool {
	if ref := p.GitInfo.Ref; strings.HasPrefix(ref, "refs/") && !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/tags/") {
		return true
	}
	return slices.ContainsFunc(p.GitInfo.Refspecs, func(spec string) bool {
		return strings.HasPrefix(strings.TrimPrefix(spec, "+"), "refs/merge-requests/")
	})
}

// Timeout returns the job's timeout: two hours without one, a month at most.
func (p *Job) Timeout() time.Duration {
	switch seconds := p.RunnerInfo.Timeout; {
	case seconds <= 0:
		return defaultTimeout
	case seconds > int64(maxTimeout/time.Second): // may be more than a Duration holds
		return maxTimeout
	default:
		return time.Duration(seconds) * time.Second
	}
}
