package looking

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// Logs copies the log of a container in a sandbox, all of it or as many last lines as tail says.
// With follow the copy goes on until the container ends or ctx does.
func (l *Looker) Logs(ctx context.Context, sandbox string, p Part, follow bool, tail string, stdout, stderr io.Writer) error {
	c, err := l.part(ctx, sandbox, p)
	if err != nil {
		return err
	}
	stream, err := l.eng.Log(ctx, c.ID, engine.LogOptions{Follow: follow, Tail: tail})
	if err != nil {
		return l.eng.Explain("reading the container's log", err)
	}
	defer stream.Close()
	err = stream.CopyTo(stdout, stderr)
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, syscall.EPIPE) {
		return nil // the reader has had enough
	}
	return l.eng.Explain("reading the container's log", err)
}

// Size is the size of a terminal, in characters.
type Size struct{ Height, Width uint }

// Terminal is the place where a shell is typed and shown.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Sizes are the sizes of a terminal, the present one first. Sizes is nil without a terminal,
	// and both outputs stay apart then.
	Sizes <-chan Size
}

// insideShell starts a shell in the project's directory if there is one.
const insideShell = `cd "${CI_PROJECT_DIR:-.}" 2>/dev/null; ` + plan.DetectShell

// Shell runs a shell in a container of a sandbox and returns its exit code. A held sandbox is
// woken. Its job container, which ended with the job, is started again and waits for a script
// that does not come. The sandbox rests again when nobody looks any more.
func (l *Looker) Shell(ctx context.Context, n Named, p Part, t Terminal) (int, error) {
	opening, cancel := context.WithTimeout(ctx, l.bounds.Shell)
	defer cancel()
	if n.Held {
		if err := l.wake(opening, n.Sandbox); err != nil {
			return 0, err
		}
		defer l.looked(ctx, n.Sandbox)
	}
	c, err := l.part(opening, n.Sandbox, p)
	if err != nil {
		return 0, err
	}
	if !c.Running {
		if !n.Held || p.Role != plan.RoleJob {
			return 0, fault.System(fmt.Errorf("the %s container of sandbox %s does not run", p.Role, n.Sandbox), notRunning(p.Role, n.Held))
		}
		if err := l.eng.Start(opening, c.ID); err != nil {
			return 0, engine.StartFault(label.ImageName(c.Labels, c.Image), l.eng.Explain("starting the job container again", err))
		}
	}
	tty := t.Sizes != nil
	exec, conn, err := l.eng.Exec(opening, ctx, c.ID, engine.Command{
		Args: []string{"sh", "-c", insideShell}, TTY: tty, Stdin: true, Environment: shellEnv(tty, c.Environment),
	})
	if err != nil {
		return 0, l.eng.Explain("starting a shell", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	resizing, stop := context.WithCancel(ctx)
	defer stop()
	if tty {
		go l.resize(resizing, exec, t.Sizes)
	}
	go func() {
		_, _ = io.Copy(conn, t.In) // the copy may block until the program ends
		_ = conn.CloseWrite()
	}()
	err = conn.CopyTo(t.Out, t.Err)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, l.eng.Explain("reading the shell's output", err)
	}
	ending, cancel := context.WithTimeout(ctx, l.bounds.Shell)
	defer cancel()
	return l.eng.ExecCode(ending, exec)
}

// resize tells a shell the sizes of its terminal.
func (l *Looker) resize(ctx context.Context, exec string, sizes <-chan Size) {
	for {
		select {
		case s := <-sizes:
			_ = l.eng.Resize(ctx, exec, s.Height, s.Width) // after a failure a line may wrap too early
		case <-ctx.Done():
			return
		}
	}
}

// shellEnv names a terminal that every image knows, unless the container names one.
func shellEnv(tty bool, env []string) []string {
	if !tty || slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "TERM=") }) {
		return nil
	}
	return []string{"TERM=xterm"}
}

// notRunning is the hint for a container that cannot run a shell.
func notRunning(role plan.Role, held bool) string {
	switch {
	case role == plan.RoleJob && !held:
		return "it runs while the job's script does: wait for that, or look into --role sidecar or helper"
	default:
		return "gitlab-dind-executor logs shows what it printed at last"
	}
}
