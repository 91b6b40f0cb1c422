package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// detached is the branch of a snapshot of a detached HEAD.
const detached = "detached"

// Snapshot is the present state of a repository, uncommitted changes included, for jobs to
// clone.
type Snapshot struct {
	Repository
	// Ref is the branch or tag that jobs fetch, and SHA its commit.
	Ref string
	// Changed tells whether SHA is a new commit with the uncommitted changes.
	Changed bool

	// dir is a bare repository that borrows the work tree's objects.
	dir string
}

// Snapshot makes a snapshot below dir. The repository itself stays as it is.
func (r Repository) Snapshot(ctx context.Context, dir string) (Snapshot, error) {
	s := Snapshot{Repository: r, Ref: cmp.Or(r.Tag, r.Branch, detached), dir: filepath.Join(dir, "snapshot.git")}
	if err := s.make(ctx); err != nil {
		return s, fmt.Errorf("a copy of the sources for the jobs: %w", err)
	}
	return s, nil
}

func (s *Snapshot) make(ctx context.Context) error {
	format, err := s.git(ctx, nil, "rev-parse", "--show-object-format")
	if err != nil {
		return err
	}
	if _, err := s.git(ctx, nil, "init", "--quiet", "--bare", "--template=", "--object-format="+format, s.dir); err != nil {
		return err
	}
	// The objects stay where they are.
	objects, err := s.git(ctx, nil, "rev-parse", "--path-format=absolute", "--git-path", "objects")
	if err != nil {
		return err
	}
	info := filepath.Join(s.dir, "objects", "info")
	if err := os.MkdirAll(info, 0o700); err != nil {
		return err
	}
	if strings.ContainsAny(objects, "\n\"") {
		return errors.New("the path of the repository has a line break or a quotation mark in it")
	}
	if err := os.WriteFile(filepath.Join(info, "alternates"), []byte(objects+"\n"), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"shallow", "info/exclude"} {
		if err := s.take(ctx, name, name); err != nil {
			return err
		}
	}
	if err := s.commitChanges(ctx); err != nil {
		return err
	}
	_, err = s.bare(ctx, "update-ref", s.fullRef(), s.SHA)
	return err
}

// fullRef returns the ref's whole name.
func (s *Snapshot) fullRef() string {
	if s.Tag != "" {
		return "refs/tags/" + s.Ref
	}
	return "refs/heads/" + s.Ref
}

// take copies a file of the repository, with its time, if it is there.
func (s *Snapshot) take(ctx context.Context, name, to string) error {
	path, err := s.git(ctx, nil, "rev-parse", "--path-format=absolute", "--git-path", name)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	target := filepath.Join(s.dir, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(target, text, 0o600); err != nil {
		return err
	}
	// By the time of its index, git knows the files that need another look.
	stat, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Chtimes(target, stat.ModTime(), stat.ModTime())
}

// commitChanges makes a commit of the work tree's files, if they differ from HEAD. The same
// changes make the same commit.
func (s *Snapshot) commitChanges(ctx context.Context) error {
	if err := s.take(ctx, "index", "index"); err != nil {
		return err
	}
	tree, err := s.tree(ctx)
	if err != nil { // an index of no use elsewhere
		if err := os.Remove(filepath.Join(s.dir, "index")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, err := s.bare(ctx, "read-tree", s.SHA); err != nil {
			return err
		}
		if tree, err = s.tree(ctx); err != nil {
			return err
		}
	}
	head, err := s.bare(ctx, "rev-parse", s.SHA+"^{tree}")
	if err != nil || tree == head {
		return err
	}
	who := []string{
		"GIT_AUTHOR_NAME=try", "GIT_AUTHOR_EMAIL=try@localhost", "GIT_AUTHOR_DATE=" + s.Time,
		"GIT_COMMITTER_NAME=try", "GIT_COMMITTER_EMAIL=try@localhost", "GIT_COMMITTER_DATE=" + s.Time,
	}
	sha, err := s.git(ctx, append(who, s.place()...), "commit-tree", "-p", s.SHA, "-m", "Uncommitted changes", "--no-gpg-sign", tree)
	if err != nil {
		return err
	}
	s.SHA, s.Changed = sha, true
	return nil
}

// tree writes the work tree's files as a tree, without ignored files.
func (s *Snapshot) tree(ctx context.Context) (string, error) {
	if _, err := s.bare(ctx, "-c", "core.safecrlf=false", "add", "--all", "--", "."); err != nil {
		return "", err
	}
	return s.bare(ctx, "write-tree")
}

// place points git at the snapshot's repository and the real work tree.
func (s *Snapshot) place() []string {
	return []string{"GIT_DIR=" + s.dir, "GIT_WORK_TREE=" + s.Top, "GIT_INDEX_FILE=" + filepath.Join(s.dir, "index")}
}

func (s *Snapshot) bare(ctx context.Context, args ...string) (string, error) {
	return s.git(ctx, s.place(), args...)
}
