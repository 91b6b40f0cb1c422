package rig

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing/fstest"
)

// Files returns files of mode 0644 by their slash-separated paths, for [StartGitServer] and
// [GitServer.Commit]. Where modes matter, use os.DirFS or fstest.MapFS.
func Files(content map[string]string) fs.FS {
	files := make(fstest.MapFS, len(content))
	for name, text := range content {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return files
}

// gitRepo is a bare repository with a work tree beside it to commit from.
type gitRepo struct {
	gitDir, workTree string
	home             string // for git: keeps it from the user's own settings
}

// init makes the empty repository.
func (g gitRepo) init(ctx context.Context) error {
	if err := os.MkdirAll(g.workTree, 0o755); err != nil {
		return fmt.Errorf("cannot make a work tree: %w", err)
	}
	if _, err := g.git(ctx, "init", "--quiet", "--bare", "--initial-branch="+gitBranch, g.gitDir); err != nil {
		return err
	}
	// GitLab allows any commit to be fetched by its hash, too.
	_, err := g.git(ctx, "--git-dir="+g.gitDir, "config", "uploadpack.allowAnySHA1InWant", "true")
	return err
}

// commit puts the files over the work tree's and commits all of it.
func (g gitRepo) commit(ctx context.Context, files fs.FS) (sha string, err error) {
	if err := copyOver(g.workTree, files); err != nil {
		return "", fmt.Errorf("cannot write the files to commit: %w", err)
	}
	// --force commits files of the caller even where a .gitignore among them excludes them.
	for _, args := range [][]string{
		{"add", "--all", "--force", "."},
		{"commit", "--quiet", "--allow-empty", "--message", "Change files"},
	} {
		if _, err := g.inTree(ctx, args...); err != nil {
			return "", err
		}
	}
	return g.inTree(ctx, "rev-parse", "HEAD")
}

// inTree runs git on the repository and its work tree.
func (g gitRepo) inTree(ctx context.Context, args ...string) (string, error) {
	return g.git(ctx, append([]string{"--git-dir=" + g.gitDir, "--work-tree=" + g.workTree, "-C", g.workTree}, args...)...)
}

// git runs git and returns its stdout without space around it. The error holds its stderr.
func (g gitRepo) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(g.env(), "PATH="+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s failed: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// env is git's whole environment besides PATH: the author of commits, and no settings of the
// user or the system.
func (g gitRepo) env() []string {
	return []string{
		"HOME=" + g.home,
		"LC_ALL=C",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Rig", "GIT_AUTHOR_EMAIL=rig@demo.test",
		"GIT_COMMITTER_NAME=Rig", "GIT_COMMITTER_EMAIL=rig@demo.test",
	}
}

// copyOver writes the files of src under dir over existing files. Of their modes git keeps one
// bit: whether they can be executed.
func copyOver(dir string, src fs.FS) error {
	return fs.WalkDir(src, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(name))
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a directory", name)
		}
		data, err := fs.ReadFile(src, name)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		if err := os.WriteFile(target, data, mode); err != nil {
			return err
		}
		return os.Chmod(target, mode) // an existing file keeps its mode on WriteFile
	})
}
