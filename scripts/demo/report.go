package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"text/tabwriter"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/lab"
)

// pushLine is the last line of docker push.
var pushLine = regexp.MustCompile(`(?m)^(\S+): digest: (sha256:[0-9a-f]{64}) size: [0-9]+$`)

// pushes are the digests in a job log, by tag.
func pushes(log string) map[string]string {
	found := map[string]string{}
	for _, m := range pushLine.FindAllStringSubmatch(log, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// pushed reads tags and digests back from the registry and compares them with the pushes in the
// job log.
func pushed(ctx context.Context, out io.Writer, l *lab.Lab, log string) error {
	const repo = "group/app"
	said := pushes(log)
	tags, err := l.Registry.Tags(ctx, repo)
	if err != nil {
		return err
	}
	slices.Sort(tags)
	alike := len(tags) == len(said) && len(said) == 2
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, tag := range tags {
		digest, err := l.Registry.Digest(ctx, repo, tag)
		if err != nil {
			return err
		}
		verdict := "as the job log says"
		if said[tag] != digest {
			verdict, alike = fmt.Sprintf("the job log says %q", said[tag]), false
		}
		fmt.Fprintf(w, "  %s:%s\t%s\t%s\n", repo, tag, digest, verdict)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !alike {
		return fault.System(errors.New("the registry does not hold what the job pushed"),
			"compare the table with the lines of docker push in the job log above")
	}
	return nil
}
