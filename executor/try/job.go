package try

import (
	"crypto/rand"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
	"gitlab-dind-executor/pattern"
)

const (
	// cloneDepth and jobTimeout are GitLab's own defaults: commits, and seconds.
	cloneDepth = 20
	jobTimeout = 3600
)

var (
	variableName = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// secretName matches names of variables whose values the job log hides.
	secretName = pattern.New(`(?i)(PASS|PASSWORD|PASSWD|TOKEN|SECRET|KEY|CREDENTIALS?|AUTH_CONFIG)$`)
	notInPath  = pattern.New(`[^A-Za-z0-9._/-]+`)
)

// facts are the sources of the predefined variables.
type facts struct {
	repository    forge.Repository
	sha, ref      string
	tagMessage    string
	changed       bool
	file          string
	protected     bool
	user          user
	created       time.Time
	server, token string
}

// project returns the path of the project: the remote's, or a path with the folder's name.
func (f facts) project() string {
	if path, ok := f.originPath(); ok {
		return path
	}
	name := strings.Trim(notInPath.ReplaceAllString(path.Base(f.repository.Top), "-"), "./-")
	if name == "" {
		name = "project"
	}
	return "local/" + name
}

// ofOrigin tells whether the project's path is GitLab's.
func (f facts) ofOrigin() bool {
	_, ok := f.originPath()
	return ok
}

// originPath returns the path of the remote, if the path is a project's.
func (f facts) originPath() (string, bool) {
	_, rest, found := strings.Cut(f.repository.Origin, "://")
	switch _, after, scp := strings.Cut(f.repository.Origin, ":"); {
	case found:
		_, rest, _ = strings.Cut(rest, "/")
	case scp:
		rest = after
	}
	rest = strings.Trim(path.Clean("/"+notInPath.ReplaceAllString(strings.TrimSuffix(rest, ".git"), "-")), "/")
	return rest, strings.Contains(rest, "/") && !strings.HasPrefix(f.repository.Origin, "file:")
}

// payload returns the job as GitLab would send it. The payload has no project number, so
// nothing is cached for a next job.
func (r *run) payload(j pipeline.Job) local.Payload {
	f, id := r.facts, r.ids[j.Name]
	protected := f.protected
	kind, refspec := "branch", "+refs/heads/"+f.ref+":refs/remotes/origin/"+f.ref
	if f.repository.Tag != "" {
		kind, refspec = "tag", "+refs/tags/"+f.ref+":refs/tags/"+f.ref
	}
	p := local.Payload{
		ID: id, Token: f.token,
		JobInfo: local.JobInfo{
			Name: j.Name, Stage: j.Stage, ProjectName: path.Base(f.project()), ProjectFullPath: f.project(),
			InstanceUUID: "try-" + rand.Text(), // two runs share nothing
		},
		GitInfo: local.GitInfo{
			RepoURL: r.server.RepoURL(), RepoObjectFormat: objectFormat(f.sha), Ref: f.ref, RefType: kind, SHA: f.sha,
			BeforeSHA: strings.Repeat("0", len(f.sha)), Depth: cloneDepth, Protected: &protected,
			Refspecs: []string{refspec},
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
	p.Artifacts = artifacts(j.Artifacts)
	for _, name := range r.pipeline.Sources(j) {
		if from := r.ids[name]; r.server.Has(from) {
			p.Dependencies = append(p.Dependencies, local.Dependency{ID: from, Token: f.token, Name: name, ArtifactsFile: local.ArtifactsFile{Filename: "artifacts.zip"}})
		}
	}
	r.addVariables(&p, j)
	return p
}

// addVariables adds the variables in GitLab's order, and settings that follow from them.
// The last of duplicates wins.
func (r *run) addVariables(p *local.Payload, j pipeline.Job) {
	f := r.facts
	add := func(v pipeline.Variable, public, masked bool) {
		p.Variables = append(p.Variables, local.Variable{Key: v.Key, Value: v.Value, Raw: v.Raw, Public: public, Masked: masked})
	}
	for _, v := range slices.Concat(f.plausible(), f.ofServer(), f.ofJob(p.ID, j, r.manual(j.Name))) {
		add(v, true, false)
	}
	add(pipeline.Variable{Key: "CI_JOB_TOKEN", Value: f.token}, false, true)
	add(pipeline.Variable{Key: "CI_REPOSITORY_URL", Value: p.GitInfo.RepoURL}, false, true)
	if f.repository.LFS {
		add(pipeline.Variable{Key: "GIT_LFS_SKIP_SMUDGE", Value: "1"}, true, false)
	}
	ahead := len(p.Variables)
	for _, v := range j.Variables {
		add(v, true, false)
	}
	for _, v := range r.reported(j) {
		add(v, false, false)
	}
	for _, v := range r.given {
		add(v, false, secretName.MatchString(v.Key))
	}
	if name := r.pipeline.Name; name != "" {
		p.Variables = slices.Insert(p.Variables, ahead, local.Variable{Key: "CI_PIPELINE_NAME", Value: expandAll(name, p.Variables), Public: true, Raw: true})
	}
	if j.Environment != nil {
		p.Variables = slices.Insert(p.Variables, ahead, ofEnvironment(*j.Environment, p.Variables)...)
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

// objectFormat tells the kind of a repository by the length of a commit's id.
func objectFormat(sha string) string {
	if len(sha) == 64 {
		return "sha256"
	}
	return "sha1"
}
