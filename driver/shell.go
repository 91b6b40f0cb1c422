package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
)

// Logs copies what a container of a sandbox has printed, all of it or its last
// lines by tail, and goes on with follow until it ends or ctx does.
func (d *Driver) Logs(ctx context.Context, sandbox string, p Part, follow bool, tail string, stdout, stderr io.Writer) error {
	c, err := d.part(ctx, sandbox, p)
	if err != nil {
		return err
	}
	stream, err := d.api.ContainerLogs(ctx, c.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: follow, Tail: tail})
	if err != nil {
		return d.explain("reading the container's log", err)
	}
	defer stream.Close()
	_, err = stdcopy.StdCopy(stdout, stderr, &frames{r: stream})
	if errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, syscall.EPIPE) {
		return nil // whoever reads it has had enough
	}
	return d.explain("reading the container's log", err)
}

// Size is that of a terminal, in characters.
type Size struct{ Height, Width uint }

// Terminal is where a shell is typed and shown.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Sizes are those of a terminal, first and as they change; nil where there is
	// none: then both outputs stay apart.
	Sizes <-chan Size
}

// shellBound is what it may take to open a shell, or to ask for its code: a
// terminal that is handed over does not pass Ctrl-C on meanwhile. A variable for
// tests alone.
var shellBound = 30 * time.Second

// insideShell is in the project's directory if there is one.
const insideShell = `cd "${CI_PROJECT_DIR:-.}" 2>/dev/null; ` + plan.DetectShell

// Shell runs a shell in a container of a sandbox and returns its exit code. The
// job container of a held sandbox has ended with its job: it is started
// again, and waits for a script that does not come. All of it rests again when
// nobody looks any more.
func (d *Driver) Shell(ctx context.Context, n Named, p Part, t Terminal) (int, error) {
	opening, cancel := context.WithTimeout(ctx, shellBound)
	defer cancel()
	if n.Held {
		if err := d.wake(opening, n.Sandbox); err != nil {
			return 0, err
		}
		defer d.looked(ctx, n.Sandbox)
	}
	c, err := d.part(opening, n.Sandbox, p)
	if err != nil {
		return 0, err
	}
	if !c.State.Running {
		if !n.Held || p.Role != plan.RoleJob {
			return 0, fault.System(fmt.Errorf("the %s container of sandbox %s does not run", p.Role, n.Sandbox), notRunning(p.Role, n.Held))
		}
		if err := d.api.ContainerStart(opening, c.ID, container.StartOptions{}); err != nil {
			return 0, startFault(label.ImageName(c.Config.Labels, c.Config.Image), d.explain("starting the job container again", err))
		}
	}
	tty := t.Sizes != nil
	e, err := d.api.ContainerExecCreate(opening, c.ID, container.ExecOptions{
		Cmd: []string{"sh", "-c", insideShell}, Tty: tty, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Env: shellEnv(tty, c.Config.Env),
	})
	if err != nil {
		return 0, d.explain("starting a shell", err)
	}
	conn, err := hijack(opening, func() (types.HijackedResponse, error) {
		return d.api.ContainerExecAttach(ctx, e.ID, container.ExecAttachOptions{Tty: tty})
	})
	if err != nil {
		return 0, d.explain("starting a shell", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	resizing, stop := context.WithCancel(ctx)
	defer stop()
	if tty {
		go d.resize(resizing, e.ID, t.Sizes)
	}
	go func() {
		_, _ = io.Copy(conn.Conn, t.In) // it may block until the program ends
		_ = conn.CloseWrite()
	}()
	if tty {
		_, err = io.Copy(t.Out, conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(t.Out, t.Err, &frames{r: conn.Reader})
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, d.explain("reading the shell's output", err)
	}
	ending, cancel := context.WithTimeout(ctx, shellBound)
	defer cancel()
	return d.execCode(ending, e.ID)
}

// resize tells a shell of its terminal's sizes.
func (d *Driver) resize(ctx context.Context, exec string, sizes <-chan Size) {
	for {
		select {
		case s := <-sizes:
			_ = d.api.ContainerExecResize(ctx, exec, container.ResizeOptions{Height: s.Height, Width: s.Width}) // a line may wrap too early
		case <-ctx.Done():
			return
		}
	}
}

// shellEnv names a terminal that every image knows, unless the container has one.
func shellEnv(tty bool, env []string) []string {
	if !tty || slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "TERM=") }) {
		return nil
	}
	return []string{"TERM=xterm"}
}

// notRunning is the hint for a container that has no shell.
func notRunning(role plan.Role, held bool) string {
	switch {
	case role == plan.RoleJob && !held:
		return "it runs while the job's script does: wait for that, or look into --role sidecar or helper"
	default:
		return "gitlab-dind-executor logs shows what it printed at last"
	}
}
