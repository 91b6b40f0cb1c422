package try

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/executor/forge"
	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/executor/pipeline"
)

const (
	// serverVersion is the release of GitLab that try imitates.
	serverVersion = "18.6.0"
	// serverRevision is the value of CI_SERVER_REVISION for an imitation.
	serverRevision = "local"
	// pagesDomain is a domain that nobody can own.
	pagesDomain = "pages.example.com"
	// maxMessage is GitLab's bound on a commit's message, in bytes.
	maxMessage = 100_000
	// longTitle is the length, in characters, from which the description repeats the title.
	longTitle = 100
)

// user is the person who runs the pipeline.
type user struct{ login, name, email string }

// userOf returns the person from git's settings, else from the environment.
func userOf(r forge.Repository, env map[string]string) user {
	u := user{name: r.UserName, email: r.UserEmail}
	local, _, _ := strings.Cut(u.email, "@")
	u.login = strings.Trim(notInPath.ReplaceAllString(strings.ReplaceAll(cmp.Or(env["USER"], local), "/", "-"), "-"), "-._")
	u.login = cmp.Or(u.login, "try")
	u.name = cmp.Or(u.name, u.login)
	u.email = cmp.Or(u.email, u.login+"@localhost")
	return u
}

func set(key, value string) pipeline.Variable { return pipeline.Variable{Key: key, Value: value} }

// text is a variable whose value is not expanded.
func text(key, value string) pipeline.Variable {
	return pipeline.Variable{Key: key, Value: value, Raw: true}
}

// known are the predefined variables for rules and includes, with GitLab's own values for
// this project. No guess decides whether a job runs.
func (f facts) known() []pipeline.Variable {
	list := []pipeline.Variable{
		set("CI", "true"), set("GITLAB_CI", "true"), set("CI_SERVER_NAME", "GitLab"),
		set("CI_PIPELINE_SOURCE", "push"), set("CI_CONFIG_PATH", f.file),
	}
	if f.repository.Default != "" {
		list = append(list, text("CI_DEFAULT_BRANCH", f.repository.Default), set("CI_DEFAULT_BRANCH_SLUG", slug(f.repository.Default)))
	}
	if f.protected {
		list = append(list, set("CI_COMMIT_REF_PROTECTED", "true"))
	}
	if f.ofOrigin() {
		list = append(list, f.ofProject()...)
	}
	return append(list, f.ofCommit()...)
}

// plausible are the other variables of jobs, besides ofServer and ofJob. Values known to a
// GitLab alone are made up or empty.
func (f facts) plausible() []pipeline.Variable {
	major, minor, patch := versionParts(serverVersion)
	list := []pipeline.Variable{
		set("GITLAB_FEATURES", ""),
		set("CI_SERVER_VERSION", serverVersion), set("CI_SERVER_REVISION", serverRevision),
		set("CI_SERVER_VERSION_MAJOR", major), set("CI_SERVER_VERSION_MINOR", minor), set("CI_SERVER_VERSION_PATCH", patch),
		set("CI_TEMPLATE_REGISTRY_HOST", "registry.gitlab.com"),
		// Without a dependency proxy images come from the Docker Hub itself.
		set("CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX", "docker.io"),
		set("CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX", "docker.io"),
		set("CI_PIPELINE_IID", "1"), set("CI_PIPELINE_NAME", ""),
		set("CI_PROJECT_ID", "1"), set("CI_PROJECT_NAMESPACE_ID", "1"),
		text("CI_PROJECT_TITLE", path.Base(f.project())), set("CI_PROJECT_DESCRIPTION", ""), set("CI_PROJECT_TOPICS", ""),
		set("CI_PROJECT_VISIBILITY", "private"),
		set("CI_PROJECT_REPOSITORY_LANGUAGES", ""), set("CI_PROJECT_CLASSIFICATION_LABEL", ""),
		set("CI_PAGES_DOMAIN", pagesDomain),
		set("GITLAB_USER_ID", "1"), text("GITLAB_USER_LOGIN", f.user.login),
		text("GITLAB_USER_NAME", f.user.name), text("GITLAB_USER_EMAIL", f.user.email),
		set("CI_COMMIT_BEFORE_SHA", strings.Repeat("0", len(f.sha))), set("CI_COMMIT_USER_LOGIN", ""),
	}
	if !f.protected {
		list = append(list, set("CI_COMMIT_REF_PROTECTED", "false"))
	}
	if f.repository.Default == "" {
		list = append(list, set("CI_DEFAULT_BRANCH", ""), set("CI_DEFAULT_BRANCH_SLUG", ""))
	}
	if !f.ofOrigin() {
		list = append(list, f.ofProject()...)
	}
	return append(list, f.known()...)
}

// ofProject are the variables of the project's path.
func (f facts) ofProject() []pipeline.Variable {
	project, namespace := f.project(), path.Dir(f.project())
	root, _, _ := strings.Cut(project, "/")
	return []pipeline.Variable{
		set("CI_PROJECT_NAME", path.Base(project)), set("CI_PROJECT_PATH", project), set("CI_PROJECT_PATH_SLUG", slug(project)),
		set("CI_PROJECT_NAMESPACE", namespace), set("CI_PROJECT_NAMESPACE_SLUG", slug(namespace)),
		set("CI_PROJECT_ROOT_NAMESPACE", root), set("CI_PROJECT_ROOT_NAMESPACE_SLUG", slug(root)),
	}
}

// ofCommit are the variables of the commit.
func (f facts) ofCommit() []pipeline.Variable {
	r, ref := f.repository, cmp.Or(f.ref, "detached")
	message := r.Message
	if f.changed {
		message = "Uncommitted changes"
	}
	if message != "" {
		message += "\n" // as git keeps messages
	}
	cut := len(message) > maxMessage
	message = strings.ToValidUTF8(message[:min(len(message), maxMessage)], "")
	title, description, _ := strings.Cut(message, "\n")
	description = strings.TrimSuffix(description, "\n")
	if len([]rune(title)) >= longTitle {
		description = message
	}
	list := []pipeline.Variable{
		set("CI_COMMIT_SHA", f.sha), set("CI_COMMIT_SHORT_SHA", f.sha[:min(8, len(f.sha))]),
		text("CI_COMMIT_REF_NAME", ref), set("CI_COMMIT_REF_SLUG", slug(ref)),
		text("CI_COMMIT_MESSAGE", message), set("CI_COMMIT_MESSAGE_IS_TRUNCATED", strconv.FormatBool(cut)),
		text("CI_COMMIT_TITLE", title), text("CI_COMMIT_DESCRIPTION", description),
		text("CI_COMMIT_AUTHOR", r.Author), set("CI_COMMIT_TIMESTAMP", r.Time),
	}
	if r.Tag != "" {
		return append(list, text("CI_COMMIT_TAG", ref), text("CI_COMMIT_TAG_MESSAGE", f.tagMessage))
	}
	if r.Base != "" {
		list = append(list, set("CI_COMMIT_DEFAULT_BRANCH_BASE_SHA", r.Base))
	}
	return append(list, text("CI_COMMIT_BRANCH", ref))
}

// ofServer are the variables with the jobs' address of GitLab, here the address of the
// sources. The address is known when the jobs run.
func (f facts) ofServer() []pipeline.Variable {
	u, err := url.Parse(f.server)
	if err != nil || f.server == "" {
		return nil
	}
	project := f.project()
	kind := "heads/"
	if f.repository.Tag != "" {
		kind = "tags/"
	}
	return []pipeline.Variable{
		set("CI_SERVER_URL", f.server), set("CI_SERVER_PROTOCOL", u.Scheme),
		set("CI_SERVER_HOST", u.Hostname()), set("CI_SERVER_FQDN", u.Host), set("CI_SERVER_PORT", u.Port()),
		set("CI_SERVER_SHELL_SSH_HOST", u.Hostname()), set("CI_SERVER_SHELL_SSH_PORT", "22"),
		set("CI_API_V4_URL", f.server+"/api/v4"), set("CI_API_GRAPHQL_URL", f.server+"/api/graphql"),
		set("CI_PROJECT_URL", f.server+"/"+project),
		text("CI_CONFIG_REF_URI", u.Host+"/"+project+"//"+f.file+"@refs/"+kind+f.ref),
	}
}

// pipelineID is the number of the only pipeline.
const pipelineID = 1

// ofJob are the variables that only jobs see.
func (f facts) ofJob(id int64, j pipeline.Job, manual bool) []pipeline.Variable {
	root, rest, _ := strings.Cut(f.project(), "/")
	job, number, started := strconv.FormatInt(id, 10), strconv.Itoa(pipelineID), iso(time.Now())
	web := f.server + "/" + f.project() + "/-/"
	list := []pipeline.Variable{
		set("CI_PIPELINE_ID", number), set("CI_PIPELINE_URL", web+"pipelines/"+number),
		set("CI_PIPELINE_CREATED_AT", iso(f.created)),
		set("CI_JOB_ID", job), set("CI_JOB_URL", web+"jobs/"+job),
		set("CI_JOB_STARTED_AT", started), set("CI_JOB_STARTED_AT_SLUG", slug(started)),
		text("CI_JOB_NAME", j.Name), set("CI_JOB_NAME_SLUG", slug(j.Name)), text("CI_JOB_GROUP_NAME", groupName(j.Name)),
		text("CI_JOB_STAGE", j.Stage), set("CI_JOB_RETRY_COUNT", "0"),
		text("CI_JOB_TAGS", tagList(j.Tags)), text("CI_RUNNER_TAGS", tagList(j.Tags)),
		set("CI_RUNNER_ID", "1"), set("CI_RUNNER_DESCRIPTION", "gitlab-dind-executor try"),
		set("CI_NODE_TOTAL", strconv.Itoa(max(1, j.Total))),
		set("CI_PAGES_HOSTNAME", root+"."+pagesDomain), set("CI_PAGES_URL", "http://"+root+"."+pagesDomain+"/"+rest),
		set("CI_TRACEPARENT", fmt.Sprintf("00-%032x-%016x-01", pipelineID, id)),
		set("CI_TRACESTATE", "gitlab=pipeline:"+number+";job:"+job),
	}
	if j.Index > 0 {
		list = append(list, set("CI_NODE_INDEX", strconv.Itoa(j.Index)))
	}
	if manual {
		list = append(list, set("CI_JOB_MANUAL", "true"))
	}
	return list
}

// ofEnvironment are the variables of a job's environment. Other variables may be part of
// its name.
func ofEnvironment(e pipeline.Environment, vars []local.Variable) []local.Variable {
	name := expandAll(e.Name, vars)
	out := []local.Variable{
		{Key: "CI_ENVIRONMENT_NAME", Value: name, Public: true, Raw: true},
		{Key: "CI_ENVIRONMENT_SLUG", Value: slugOfEnvironment(name), Public: true},
		{Key: "CI_ENVIRONMENT_ID", Value: "1", Public: true},
		{Key: "CI_ENVIRONMENT_ACTION", Value: e.Action, Public: true},
		{Key: "CI_ENVIRONMENT_TIER", Value: cmp.Or(e.Tier, tierOf(name)), Public: true},
	}
	if e.URL != "" {
		address := expandAll(e.URL, append(vars, out...))
		out = append(out, local.Variable{Key: "CI_ENVIRONMENT_URL", Value: address, Public: true, Raw: true})
	}
	return out
}

// manual tells a job that waits for a person.
func (r *run) manual(name string) bool {
	for _, j := range r.pipeline.Jobs {
		if j.Name == name {
			return j.When == "manual" || j.When == "delayed"
		}
	}
	return false
}

// tagList writes a list as GitLab does.
func tagList(tags []string) string {
	quoted := make([]string, len(tags))
	for i, t := range tags {
		quoted[i] = strconv.Quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// iso writes a time as GitLab does.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// versionParts returns the numbers of a version.
func versionParts(version string) (major, minor, patch string) {
	parts := append(strings.SplitN(version, ".", 3), "0", "0")
	return parts[0], parts[1], parts[2]
}
