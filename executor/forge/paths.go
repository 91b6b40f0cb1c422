package forge

import (
	"context"
	"slices"
	"strings"
)

// Files returns the paths of the files that jobs get: existing files that git knows or does
// not ignore.
func (r Repository) Files(ctx context.Context) ([]string, error) {
	all, err := r.git(ctx, nil, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, err
	}
	gone, err := r.git(ctx, nil, "ls-files", "-z", "--deleted")
	if err != nil {
		return nil, err
	}
	deleted := map[string]bool{}
	for _, p := range paths(gone) {
		deleted[p] = true
	}
	return slices.DeleteFunc(paths(all), func(p string) bool { return deleted[p] }), nil
}

// Changed returns the paths that differ between the jobs' files and ref in GitLab's
// repository, from the commit where the branches part. With ref "", Changed returns the
// paths that a push of the branch would change, nil for a new branch. known is false
// without a remote origin that was ever fetched.
func (r Repository) Changed(ctx context.Context, ref string) (changed []string, known bool) {
	var base string
	if ref == "" {
		if base = r.commit(ctx, "refs/remotes/origin/"+r.Branch); r.Branch == "" || base == "" {
			some, err := r.git(ctx, nil, "for-each-ref", "--count=1", "refs/remotes/origin/")
			return nil, err == nil && some != "" && r.Branch != ""
		}
	} else {
		name := strings.TrimPrefix(ref, "refs/heads/")
		for _, candidate := range []string{"refs/remotes/origin/" + name, "refs/tags/" + name, ref} {
			if base = r.commit(ctx, candidate); base != "" {
				break
			}
		}
		var err error
		if base == "" {
			return nil, false
		} else if base, err = r.git(ctx, nil, "merge-base", base, r.SHA); err != nil {
			return nil, false
		}
	}
	diff, err := r.git(ctx, nil, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", base)
	if err != nil {
		return nil, false
	}
	others, err := r.git(ctx, nil, "ls-files", "-z", "--others", "--exclude-standard")
	if err != nil {
		return nil, false
	}
	return append(append([]string{}, paths(diff)...), paths(others)...), true
}

// commit returns a ref's commit, or "".
func (r Repository) commit(ctx context.Context, ref string) string {
	sha, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return ""
	}
	return sha
}

// paths splits git's list with a NUL behind each path, sorts the paths and drops
// duplicates.
func paths(list string) []string {
	var out []string
	for p := range strings.SplitSeq(list, "\x00") {
		if p != "" {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
