package stages

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/wary"
)

// ready returns when a script may be sent. By then the gate has passed, and the script's files
// belong to its user; both go on side by side. runs delivers the job container's id once the
// container runs.
func (s *Stages) ready(ctx context.Context, job string, ways Ways, runs <-chan string, gate func(context.Context) error) error {
	both, ctx := group.WithContext(ctx)
	if gate != nil {
		both.Go(func() error { return gate(ctx) })
	}
	if len(ways.Give) > 0 {
		both.Go(func() error {
			select {
			case id := <-runs:
				return s.give(ctx, job, id, ways)
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}
	return both.Wait()
}

// give makes the user of the job's container the owner of the job's files. The helper made the
// files as root, so for root there is nothing to do.
func (s *Stages) give(ctx context.Context, job, id string, ways Ways) error {
	user, err := s.userOf(ctx, id)
	if err != nil || user == "" || strings.HasPrefix(user, "0:") {
		return err
	}
	found, err := s.jobs.Of(ctx, job)
	if err != nil {
		return err
	}
	said := wary.Buffer{Most: engine.MaxPrinted}
	code, err := s.eng.Run(ctx, found.Helper, plan.GiveCommand(user, ways.Give), nil, &said)
	switch {
	case err != nil:
		return s.eng.Explain("giving the job's files to its user", err)
	case code != 0: // the job goes on, as with the docker executor
		ways.Told(fmt.Sprintf("not all of the job's files could be given to its user, %s: %s", user, wary.Line(said.String())))
	default:
		ways.Told("the job's files belong to its user, " + user)
	}
	return nil
}

// userOf is the user of a container, as in "1000:1000". The answer is "" for a container that has
// ended; its stage reports the end.
func (s *Stages) userOf(ctx context.Context, id string) (string, error) {
	asking, cancel := context.WithTimeout(ctx, s.bounds.ShowUser)
	defer cancel()
	said := wary.Buffer{Most: engine.MaxPrinted}
	code, err := s.eng.Run(asking, id, plan.ShowUser, nil, &said)
	if c, lookErr := s.eng.Container(ctx, id); lookErr == nil && !c.Running {
		return "", nil
	}
	user, ok := ids(said.String())
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil && asking.Err() == nil:
		return "", err
	case err == nil && code == 0 && ok:
		return user, nil
	}
	return "", fault.Job(fmt.Errorf("the user of the job's image is not known: id says %q, code %d", wary.Line(said.String()), code),
		"an image needs the program id where the job sets FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR: install it there, or leave the flag out")
}

// ids reads the output of two calls of id.
func ids(said string) (user string, ok bool) {
	parts := strings.Fields(said)
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return "", false
		}
		parts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(parts, ":"), len(parts) == 2
}
