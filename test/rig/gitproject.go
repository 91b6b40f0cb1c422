package rig

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// GitProject is a further project of a [GitServer].
type GitProject struct {
	// URL is the repository's, with user and token. SHA is its first commit.
	URL, SHA string

	repo gitRepo
}

// AddProject makes another repository with one commit of the files. The repository ends with
// the server. AddProject is not for use by several goroutines.
func (s *GitServer) AddProject(ctx context.Context, project string, files fs.FS) (*GitProject, error) {
	if !fs.ValidPath(project) || project == "." {
		return nil, fmt.Errorf("%q is not the path of a project\nhint: such as group/app", project)
	}
	path := filepath.FromSlash(project)
	p := &GitProject{URL: s.url(project), repo: gitRepo{
		gitDir:   filepath.Join(s.dir, "root", path+".git"),
		workTree: filepath.Join(s.dir, "trees", path),
		home:     s.dir,
	}}
	if err := p.repo.init(ctx); err != nil {
		return nil, err
	}
	var err error
	p.SHA, err = p.repo.commit(ctx, files)
	return p, err
}

// Pack packs the commits, as a GitLab keeps a push of more than 100 objects.
func (p *GitProject) Pack(ctx context.Context) error {
	_, err := p.repo.git(ctx, "--git-dir="+p.repo.gitDir, "repack", "-a", "-d", "-q")
	return err
}

// Commit is [GitServer.Commit] for this project.
func (p *GitProject) Commit(ctx context.Context, files fs.FS) (sha string, err error) {
	return p.repo.commit(ctx, files)
}

// CommitSubmodule adds a submodule at a path: a commit of another repository, whose URL may be
// relative, such as "../sub.git".
func (p *GitProject) CommitSubmodule(ctx context.Context, path, url, commit string) (sha string, err error) {
	// An empty directory stands for a submodule that is not checked out.
	if err := os.MkdirAll(filepath.Join(p.repo.workTree, filepath.FromSlash(path)), 0o755); err != nil {
		return "", fmt.Errorf("cannot add a submodule: %w", err)
	}
	modules := filepath.Join(p.repo.workTree, ".gitmodules")
	for _, args := range [][]string{
		{"config", "--file", modules, "submodule." + path + ".path", path},
		{"config", "--file", modules, "submodule." + path + ".url", url},
		{"update-index", "--add", "--cacheinfo", "160000," + commit + "," + path},
	} {
		if _, err := p.repo.inTree(ctx, args...); err != nil {
			return "", err
		}
	}
	return p.repo.commit(ctx, Files(nil))
}
