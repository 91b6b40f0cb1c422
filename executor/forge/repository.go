package forge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"gitlab-dind-executor/fault"
)

// Repository is a local git repository and its checked-out commit.
type Repository struct {
	// Top is the work tree's folder.
	Top string
	SHA string
	// Branch is "" for a detached HEAD. Default is the branch of the remote origin's HEAD,
	// or one of the usual names.
	Branch, Default string
	// Tag is the tag of a pipeline for a tag, or "" for a branch's pipeline. Find leaves
	// Tag empty.
	Tag string
	// Origin is the remote origin's address without credentials, or "".
	Origin string
	// Message, Author ("Name <address>") and Time (ISO 8601) are the commit's.
	Message, Author, Time string
	// UserName and UserEmail are git's settings for the current user, "" where git has
	// none.
	UserName, UserEmail string
	// Base is the commit where the branch left the default branch. Base is "" on the
	// default branch, and where no such commit exists.
	Base string
	// LFS tells whether some files are kept in Git LFS.
	LFS bool
}

// Find finds the repository around a folder. Without a repository or without a commit, the
// error is a fault of the job.
func Find(ctx context.Context, dir string) (Repository, error) {
	r := Repository{Top: dir}
	top, err := r.git(ctx, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		hint := "jobs get their sources from a git repository: git init, then commit"
		if strings.Contains(err.Error(), "dubious ownership") {
			hint = "run this as the user whom the repository belongs to"
		}
		return r, fault.Job(fmt.Errorf("%s is in no git repository that can be read: %w", dir, err), hint)
	}
	r.Top = top
	if r.SHA, err = r.git(ctx, nil, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"); err != nil {
		return r, fault.Job(fmt.Errorf("the repository %s has no commit yet", top), "make a first one: git commit")
	}
	text, err := r.git(ctx, nil, "log", "-1", "--no-show-signature", "--format=%an <%ae>%n%cI%n%B", r.SHA)
	if err != nil {
		return r, err
	}
	lines := append(strings.SplitN(text, "\n", 3), "", "")
	r.Author, r.Time, r.Message = lines[0], lines[1], strings.TrimSpace(lines[2])
	// Each of these may be missing.
	r.Branch, _ = r.git(ctx, nil, "symbolic-ref", "--quiet", "--short", "HEAD")
	r.Default = r.defaultBranch(ctx)
	r.UserName, _ = r.git(ctx, nil, "config", "--get", "user.name")
	r.UserEmail, _ = r.git(ctx, nil, "config", "--get", "user.email")
	if r.Branch != r.Default {
		r.Base = r.base(ctx)
	}
	origin, _ := r.git(ctx, nil, "config", "--get", "remote.origin.url")
	r.Origin = withoutUser(origin)
	attributes, _ := os.ReadFile(filepath.Join(top, ".gitattributes"))
	r.LFS = bytes.Contains(attributes, []byte("filter=lfs"))
	return r, nil
}

func (r Repository) defaultBranch(ctx context.Context) string {
	if head, err := r.git(ctx, nil, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"); err == nil {
		return strings.TrimPrefix(head, "origin/")
	}
	for _, name := range []string{"main", "master"} {
		if _, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", "refs/heads/"+name); err == nil {
			return name
		}
	}
	return r.Branch
}

// base returns the commit where HEAD left the default branch.
func (r Repository) base(ctx context.Context) string {
	for _, name := range []string{"refs/remotes/origin/" + r.Default, "refs/heads/" + r.Default} {
		if sha, err := r.git(ctx, nil, "merge-base", "HEAD", name); err == nil {
			return sha
		}
	}
	return ""
}

// FitForTag tells whether git accepts a name for a tag.
func (r Repository) FitForTag(ctx context.Context, name string) bool {
	_, err := r.git(ctx, nil, "check-ref-format", "refs/tags/"+name)
	return err == nil
}

// TagMessage returns the message of an annotated tag, or "" for other tags and for none.
func (r Repository) TagMessage(ctx context.Context, tag string) string {
	if kind, err := r.git(ctx, nil, "cat-file", "-t", "refs/tags/"+tag); err != nil || kind != "tag" {
		return ""
	}
	text, _ := r.git(ctx, nil, "for-each-ref", "--format=%(contents)", "refs/tags/"+tag)
	return text
}

// withoutUser drops user and password from an address.
func withoutUser(address string) string {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		return address
	}
	host, path, _ := strings.Cut(rest, "/")
	if _, bare, has := strings.Cut(host, "@"); has {
		host = bare
	}
	return scheme + "://" + host + "/" + path
}

// git runs git in the work tree with further variables, and returns its output without
// space around. No call changes the work tree.
func (r Repository) git(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.Top
	cmd.Env = append(gitEnvironment(os.Environ()), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", fault.System(fmt.Errorf("git %s takes too long: %w", args[0], ctx.Err()), "let git ignore the large files that jobs do not need")
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return "", fault.System(err, "install git")
	case err != nil:
		said, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, said)
	}
	return strings.TrimSpace(stdout.String()), nil
}

// gitEnvironment returns an environment for git in English, without variables that point
// git elsewhere.
func gitEnvironment(environ []string) []string {
	var env []string
	for _, kv := range environ {
		if key, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(key, "GIT_") || key == "GIT_SSL_CAINFO" {
			env = append(env, kv)
		}
	}
	return append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0")
}
