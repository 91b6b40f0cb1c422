package try

import (
	"crypto/rand"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

const (
	// cloneDepth and jobTimeout are GitLab's own defaults: commits, and seconds.
	cloneDepth = 20
	jobTimeout = 3600
)

var (
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// secretName are names whose values the job log does not show.
	secretName = regexp.MustCompile(`(?i)(PASS|PASSWORD|PASSWD|TOKEN|SECRET|KEY|CREDENTIALS?|AUTH_CONFIG)$`)
	notInPath  = regexp.MustCompile(`[^A-Za-z0-9._/-]+`)
	notInSlug  = regexp.MustCompile(`[^a-z0-9]+`)
)

// facts are what the predefined variables are made of.
type facts struct {
	repository    forge.Repository
	sha, ref      string
	changed       bool
	file          string
	protected     bool
	server, token string
}

// project is the path of the project: the remote's, or one of the folder's name.
func (f facts) project() string {
	_, rest, found := strings.Cut(f.repository.Origin, "://")
	switch _, after, scp := strings.Cut(f.repository.Origin, ":"); {
	case found:
		_, rest, _ = strings.Cut(rest, "/")
	case scp:
		rest = after
	}
	rest = strings.Trim(path.Clean("/"+notInPath.ReplaceAllString(strings.TrimSuffix(rest, ".git"), "-")), "/")
	if strings.Contains(rest, "/") && !strings.HasPrefix(f.repository.Origin, "file:") {
		return rest
	}
	name := strings.Trim(notInPath.ReplaceAllString(path.Base(f.repository.Top), "-"), "./-")
	if name == "" {
		name = "project"
	}
	return "local/" + name
}

// slug is a name as GitLab makes it fit for host names.
func slug(name string) string {
	s := notInSlug.ReplaceAllString(strings.ToLower(name), "-")
	return strings.Trim(s[:min(len(s), 63)], "-")
}

// variables are GitLab's predefined ones, as far as they make sense here.
func (f facts) variables() []pipeline.Variable {
	r, project := f.repository, f.project()
	title, description, _ := strings.Cut(r.Message, "\n")
	message := r.Message
	if f.changed {
		title, description, message = "Uncommitted changes", "", "Uncommitted changes"
	}
	ref := f.ref
	if ref == "" {
		ref = "detached"
	}
	list := []pipeline.Variable{
		{Key: "CI", Value: "true"},
		{Key: "GITLAB_CI", Value: "true"},
		{Key: "CI_PIPELINE_ID", Value: "1"},
		{Key: "CI_PIPELINE_IID", Value: "1"},
		{Key: "CI_PIPELINE_SOURCE", Value: "push"},
		{Key: "CI_CONFIG_PATH", Value: f.file},
		{Key: "CI_PROJECT_ID", Value: "1"},
		{Key: "CI_PROJECT_NAME", Value: path.Base(project)},
		{Key: "CI_PROJECT_TITLE", Value: path.Base(project)},
		{Key: "CI_PROJECT_NAMESPACE", Value: path.Dir(project)},
		{Key: "CI_PROJECT_ROOT_NAMESPACE", Value: strings.SplitN(project, "/", 2)[0]},
		{Key: "CI_PROJECT_PATH", Value: project},
		{Key: "CI_PROJECT_PATH_SLUG", Value: slug(project)},
		{Key: "CI_PROJECT_VISIBILITY", Value: "private"},
		{Key: "CI_DEFAULT_BRANCH", Value: r.Default},
		{Key: "CI_COMMIT_SHA", Value: f.sha},
		{Key: "CI_COMMIT_SHORT_SHA", Value: f.sha[:min(8, len(f.sha))]},
		{Key: "CI_COMMIT_BEFORE_SHA", Value: strings.Repeat("0", len(f.sha))},
		{Key: "CI_COMMIT_REF_NAME", Value: ref},
		{Key: "CI_COMMIT_REF_SLUG", Value: slug(ref)},
		{Key: "CI_COMMIT_BRANCH", Value: ref},
		{Key: "CI_COMMIT_REF_PROTECTED", Value: strconv.FormatBool(f.protected)},
		{Key: "CI_COMMIT_MESSAGE", Value: message, Raw: true},
		{Key: "CI_COMMIT_TITLE", Value: title, Raw: true},
		{Key: "CI_COMMIT_DESCRIPTION", Value: strings.TrimSpace(description), Raw: true},
		{Key: "CI_COMMIT_AUTHOR", Value: r.Author, Raw: true},
		{Key: "CI_COMMIT_TIMESTAMP", Value: r.Time},
	}
	if u, err := url.Parse(f.server); err == nil && f.server != "" {
		list = append(
			list,
			pipeline.Variable{Key: "CI_SERVER_URL", Value: f.server},
			pipeline.Variable{Key: "CI_SERVER_PROTOCOL", Value: u.Scheme},
			pipeline.Variable{Key: "CI_SERVER_HOST", Value: u.Hostname()},
			pipeline.Variable{Key: "CI_SERVER_FQDN", Value: u.Host},
			pipeline.Variable{Key: "CI_SERVER_PORT", Value: u.Port()},
			pipeline.Variable{Key: "CI_SERVER_NAME", Value: "GitLab"},
			pipeline.Variable{Key: "CI_API_V4_URL", Value: f.server + "/api/v4"},
			pipeline.Variable{Key: "CI_PROJECT_URL", Value: f.server + "/" + project},
		)
	}
	return list
}

// payload is the job as GitLab would send it. It names no project by number, so
// that nothing is cached for a next one.
func (r *run) payload(j pipeline.Job) local.Payload {
	f, id := r.facts, r.ids[j.Name]
	protected := f.protected
	p := local.Payload{
		ID: id, Token: f.token,
		JobInfo: local.JobInfo{
			Name: j.Name, Stage: j.Stage, ProjectName: path.Base(f.project()), ProjectFullPath: f.project(),
			InstanceUUID: "try-" + rand.Text(), // two runs share nothing
		},
		GitInfo: local.GitInfo{
			RepoURL: r.server.RepoURL(), RepoObjectFormat: objectFormat(f.sha), Ref: f.ref, RefType: "branch", SHA: f.sha,
			BeforeSHA: strings.Repeat("0", len(f.sha)), Depth: cloneDepth, Protected: &protected,
			Refspecs: []string{"+refs/heads/" + f.ref + ":refs/remotes/origin/" + f.ref},
		},
		RunnerInfo: local.RunnerInfo{Timeout: jobTimeout},
		Steps:      []local.Step{{Name: "script", Script: j.Script, Timeout: jobTimeout, When: "on_success"}},
		Image:      localImage(j.Image),
	}
	if j.Timeout > 0 {
		p.RunnerInfo.Timeout = int(max(j.Timeout, time.Second) / time.Second)
	}
	if len(j.AfterScript) > 0 {
		p.Steps = append(p.Steps, local.Step{Name: "after_script", Script: j.AfterScript, Timeout: jobTimeout, When: "always", AllowFailure: true})
	}
	for _, s := range j.Services {
		p.Services = append(p.Services, localImage(s))
	}
	for _, c := range j.Caches {
		key := c.Key
		if key == "" {
			key = "default"
		}
		p.Cache = append(p.Cache, local.Cache{Key: key, Untracked: c.Untracked, Policy: c.Policy, Paths: c.Paths, When: c.When, FallbackKeys: c.FallbackKeys})
	}
	if a := j.Artifacts; a != nil {
		p.Artifacts = []local.Artifact{{
			Name: a.Name, Untracked: a.Untracked, Paths: a.Paths, Exclude: a.Exclude, When: a.When,
			ExpireIn: a.ExpireIn, Type: "archive", Format: "zip",
		}}
	}
	for _, name := range r.pipeline.Sources(j) {
		if from := r.ids[name]; r.server.Has(from) {
			p.Dependencies = append(p.Dependencies, local.Dependency{ID: from, Token: f.token, Name: name, ArtifactsFile: local.ArtifactsFile{Filename: "artifacts.zip"}})
		}
	}
	r.addVariables(&p, j)
	return p
}

// addVariables adds the variables in GitLab's order, the last of duplicates wins,
// and what follows from them.
func (r *run) addVariables(p *local.Payload, j pipeline.Job) {
	f := r.facts
	add := func(v pipeline.Variable, public, masked bool) {
		p.Variables = append(p.Variables, local.Variable{Key: v.Key, Value: v.Value, Raw: v.Raw, Public: public, Masked: masked})
	}
	for _, v := range f.variables() {
		add(v, true, false)
	}
	for _, v := range []pipeline.Variable{
		{Key: "CI_JOB_ID", Value: strconv.FormatInt(p.ID, 10)},
		{Key: "CI_JOB_NAME", Value: j.Name, Raw: true},
		{Key: "CI_JOB_NAME_SLUG", Value: slug(j.Name)},
		{Key: "CI_JOB_STAGE", Value: j.Stage, Raw: true},
		{Key: "CI_NODE_TOTAL", Value: "1"},
	} {
		add(v, true, false)
	}
	add(pipeline.Variable{Key: "CI_JOB_TOKEN", Value: f.token}, false, true)
	add(pipeline.Variable{Key: "CI_REPOSITORY_URL", Value: p.GitInfo.RepoURL}, false, true)
	if f.repository.LFS {
		add(pipeline.Variable{Key: "GIT_LFS_SKIP_SMUDGE", Value: "1"}, true, false)
	}
	for _, v := range j.Variables {
		add(v, true, false)
	}
	for _, v := range r.given {
		add(v, false, secretName.MatchString(v.Key))
	}
	p.Variables = expandNested(p.Variables)
	last := map[string]string{}
	for _, v := range p.Variables {
		last[v.Key] = v.Value
	}
	if depth, err := strconv.Atoi(last["GIT_DEPTH"]); err == nil && depth >= 0 {
		p.GitInfo.Depth = depth
	}
	if host, user, password := last["CI_REGISTRY"], last["CI_REGISTRY_USER"], last["CI_REGISTRY_PASSWORD"]; host != "" && user != "" && password != "" {
		p.Credentials = []local.Credentials{{Type: "registry", URL: host, Username: user, Password: password}}
	}
}

func localImage(i pipeline.Image) local.Image {
	out := local.Image{
		Name: i.Name, Alias: strings.Join(i.Aliases, " "), Command: i.Command, Entrypoint: i.Entrypoint, PullPolicy: i.PullPolicy,
		ExecutorOpts: local.ExecutorOptions{Docker: local.DockerOptions{User: i.User, Platform: i.Platform}},
	}
	for _, v := range i.Variables {
		out.Variables = append(out.Variables, local.Variable{Key: v.Key, Value: v.Value, Public: true, Raw: v.Raw})
	}
	return out
}

// objectFormat tells the kind of a repository by its commits' names.
func objectFormat(sha string) string {
	if len(sha) == 64 {
		return "sha256"
	}
	return "sha1"
}
