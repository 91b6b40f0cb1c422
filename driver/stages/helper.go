package stages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stream"
	"gitlab-dind-executor/fault"
)

const (
	// turnWait bounds the wait until the helper turns to a script. A helper that does not turn is
	// busy for a hook that was cut off, and gets a second wait.
	turnWait = time.Second
	// maxServed is the largest script for the helper's stdin, in bytes.
	maxServed = 1 << 20
)

// RunHelper runs a script of the helper side in the job's helper, after the check of the Runner's
// program, if any. The answer is the script's exit code. When ctx ends, so does the script.
func (s *Stages) RunHelper(ctx context.Context, job string, check *plan.ToolCheck, script []byte, out io.Writer) (int, error) {
	found, err := s.jobs.Of(ctx, job)
	if err != nil {
		return 0, err
	}
	code, err := 0, stream.ErrNotServed
	if check == nil && len(script) <= maxServed {
		code, err = s.serve(ctx, found.Helper, script, out)
	}
	if errors.Is(err, stream.ErrNotServed) && ctx.Err() == nil {
		code, err = s.eng.Run(ctx, found.Helper, plan.HelperStage(check), bytes.NewReader(script), out)
	}
	if ctx.Err() != nil {
		s.endStage(context.WithoutCancel(ctx), found.Helper)
		return 0, ctx.Err()
	}
	if errdefs.IsConflict(err) {
		return 0, fault.System(fmt.Errorf("the job's helper, which clones and caches, does not run any more: %w", err),
			"something ended it: a restart of the docker engine, or a docker kill on this host")
	}
	if errors.As(err, new(engine.BrokenOff)) {
		s.endStage(ctx, found.Helper) // the old script would block the next attempt
	}
	return code, err
}

// serve runs a script in the helper's own shell loop. Without such a loop the error is
// stream.ErrNotServed, and the script has not begun.
func (s *Stages) serve(ctx context.Context, helper string, script []byte, out io.Writer) (int, error) {
	conn, err := s.eng.Attach(ctx, helper, engine.Outputs{Stdout: true})
	if err != nil {
		return 0, s.eng.Explain("giving the helper a script", err)
	}
	turn := stream.NewTurn(out)
	ended, end := stream.Beside(conn, func() error { return conn.CopyTo(turn, turn) })
	defer end()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()

	if _, err := fmt.Fprintf(conn, "%d %s\n", len(script), turn.Token); err != nil {
		return 0, s.eng.Explain("giving the helper a script", err)
	}
	if err := s.awaitTurn(ctx, helper, turn, ended); err != nil {
		return 0, err
	}
	go func() { _, _ = conn.Write(script) }() // the write may end with the helper
	select {
	case <-turn.Over:
		return turn.Code, turn.Err
	case err := <-ended:
		select {
		case <-turn.Over: // both came at the same moment
			return turn.Code, turn.Err
		default:
			return 0, s.helperEnded(ctx, helper, err)
		}
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// awaitTurn waits until the helper turns to the script. A stage in the way was cut off, and is
// ended.
func (s *Stages) awaitTurn(ctx context.Context, helper string, turn *stream.Turn, ended <-chan error) error {
	for attempt := range 2 {
		wait := time.NewTimer(turnWait)
		defer wait.Stop()
		select {
		case <-turn.Begun:
			return nil
		case err := <-ended:
			return s.helperEnded(ctx, helper, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
			if attempt == 0 {
				s.endStage(ctx, helper)
			}
		}
	}
	return stream.ErrNotServed
}

// helperEnded explains the end of the helper's output.
func (s *Stages) helperEnded(ctx context.Context, helper string, err error) error {
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	c, inspectErr := s.eng.Container(ctx, helper)
	if inspectErr == nil && !c.Running {
		err = fmt.Errorf("%w: %w", errdefs.ErrConflict, err)
	}
	return engine.BrokenOff{Err: s.eng.Explain("reading the output of a script in the helper", err)}
}

// endStage ends every process of the helper except the first, which waits for the next stage.
func (s *Stages) endStage(ctx context.Context, helper string) {
	ctx, cancel := context.WithTimeout(ctx, s.bounds.EndWait)
	defer cancel()
	s.signalAll(ctx, helper, "TERM")
	grace := time.NewTimer(termWait / 3)
	defer grace.Stop()
	select {
	case <-grace.C:
	case <-ctx.Done():
	}
	s.signalAll(ctx, helper, "KILL")
}
