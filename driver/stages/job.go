package stages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gitlab-dind-executor/driver/bounds"
	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/stream"
	"gitlab-dind-executor/fault"
)

const (
	// entrypointWait bounds the wait for an ENTRYPOINT to reach the shell. Then the script is
	// sent all the same, since the ENTRYPOINT may want to read stdin.
	entrypointWait = 3 * time.Second
	// termWait is the time of a script between SIGTERM and SIGKILL.
	termWait = 3 * time.Second
)

// Stages runs the scripts of prepared jobs.
type Stages struct {
	eng    *engine.Engine
	jobs   sandbox.Finder
	bounds *bounds.Bounds
	// substitute takes the address of an ended sidecar with a kernel of its own, and refuses its
	// clients' connections.
	substitute func(ctx context.Context, sandbox string)
}

// New makes Stages for an engine. substitute is called when a sidecar with a kernel of its own
// ends during a stage.
func New(eng *engine.Engine, limits *bounds.Bounds, substitute func(ctx context.Context, sandbox string)) *Stages {
	return &Stages{eng, sandbox.Finder{Engine: eng}, limits, substitute}
}

// Ways select how a script of the build side is run.
type Ways struct {
	// First: no stage of the build side ran before. The container may have been started early.
	First bool
	// Give names directories for the container's user to own before the script is sent. Told gets
	// a line about the result.
	Give []string
	Told func(line string)
	// SignalFirst sends SIGTERM to the container's first process alone, which has to end the
	// others.
	SignalFirst bool
}

// RunJob runs a script of the build side in the job container, on the stdin of its shell, behind
// its ENTRYPOINT. Both outputs go to out as they come and in order. The answer is the script's
// exit code.
//
// The script is not sent before gate, if any, has returned. An error of gate is the stage's
// error. gate runs beside the start of the container.
//
// When ctx ends, so does the script, by SIGTERM and then SIGKILL. The container can be used for
// the next stage.
func (s *Stages) RunJob(ctx context.Context, job string, ways Ways, script []byte, gate func(context.Context) error, out io.Writer) (int, error) {
	opening, shut := context.WithCancel(ctx)
	opened, done := make(chan error, 1), make(chan struct{})
	runs := make(chan string, 1) // the container's id, once it runs
	go func() {
		defer close(done)
		opened <- s.ready(opening, job, ways, runs, gate)
	}()
	defer func() {
		shut()
		<-done
	}()
	id, _, err := s.jobs.JobContainer(ctx, job)
	if err != nil {
		return 0, err
	}
	c, err := s.eng.Container(ctx, id)
	if err != nil {
		return 0, s.eng.Explain("looking at the job container", err)
	}
	since := ""
	if c.Running && !ways.First {
		// An earlier stage was cut off, script and hook.
		if err := s.Halt(ctx, id, false); err != nil {
			return 0, err
		}
		c.Running = false
	}
	if !c.Running {
		if since, err = s.afterLastLine(ctx, id); err != nil {
			return 0, err
		}
		err := s.eng.Start(ctx, id)
		if err != nil {
			return 0, engine.StartFault(label.ImageName(c.Labels, c.Image), s.eng.Explain("starting the job container", err))
		}
	}
	runs <- id
	// The output of a script during its end belongs to the log, too. So the end runs beside the
	// copy. The bound is for an engine that cannot end the script.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	halted := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		halted <- s.Halt(running, id, ways.SignalFirst)
		time.AfterFunc(s.bounds.EndWait, cancel)
	})
	script = plan.ExportDirect(script, c.Labels[label.Direct])
	one := &stage{Stages: s, id: id, image: label.ImageName(c.Labels, c.Image), opened: opened, out: out}
	code, err := one.run(running, since, script)
	if !stop() {
		return 0, errors.Join(ctx.Err(), <-halted)
	}
	return code, err
}

// StartEarly starts a job's container ahead of its first script, while sources are fetched. A
// fault shows again when the script starts the container.
func (s *Stages) StartEarly(ctx context.Context, job string) error {
	found, err := s.jobs.Of(ctx, job)
	if err != nil || found.Job.State != engine.Created {
		return err
	}
	ctx, cancel := s.eng.Uncut(ctx)
	defer cancel()
	return s.eng.Explain("starting the job container", s.eng.Start(ctx, found.Job.ID))
}

// stage is one script on its way through the job container.
type stage struct {
	*Stages
	id    string
	image string
	// opened gets nil when the script may be sent, or the reason why not.
	opened <-chan error
	out    io.Writer
}

func (s *stage) run(ctx context.Context, since string, script []byte) (int, error) {
	exits, errs := s.eng.Wait(ctx, s.id, engine.NotRunning)
	log, err := s.eng.Log(ctx, s.id, engine.LogOptions{Follow: true, Since: since})
	if err != nil {
		return 0, s.eng.Explain("reading the job container's log", err)
	}
	marker := stream.NewMarker(s.out, plan.ShellMarker)
	logDone, end := stream.Beside(log, func() error { return log.CopyTo(marker, marker) })
	defer end()

	patience := time.NewTimer(entrypointWait)
	defer patience.Stop()
	select {
	case <-marker.Found:
		end()
		return s.attached(ctx, script, exits, errs)
	case err := <-logDone:
		return s.unfollowed(ctx, marker, err, script, exits, errs)
	case <-patience.C:
		// The ENTRYPOINT reads stdin itself, or takes its time. It gets the script, and the log
		// still delivers the output.
		return s.logged(ctx, script, logDone, exits, errs)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// unfollowed continues after a log that ended before the script was sent. The container may have
// ended, or the engine has broken the log off.
func (s *stage) unfollowed(ctx context.Context, marker *stream.Marker, logErr error, script []byte, exits <-chan engine.Exit, errs <-chan error) (int, error) {
	if err := marker.Flush(); err != nil {
		return 0, err
	}
	c, err := s.eng.Container(ctx, s.id)
	switch {
	case err != nil:
		return 0, s.eng.Explain("looking at the job container", err)
	case c.Running && marker.Seen:
		return s.attached(ctx, script, exits, errs)
	case c.Running:
		return 0, fault.System(fmt.Errorf("the engine broke off the job container's log: %w", cmp.Or(logErr, io.ErrUnexpectedEOF)), "")
	}
	code, err := s.ended(ctx, exits, errs)
	if err != nil {
		return 0, err
	}
	if marker.Seen {
		return s.unread(code)
	}
	return 0, s.wrongEntrypoint(fmt.Errorf("the ENTRYPOINT of image %s ended with code %d instead of starting a shell", s.image, code))
}

// unread judges a shell that has ended without a line of its script. A killed shell has a code
// that says so.
func (s *stage) unread(code int) (int, error) {
	if code != 0 {
		return code, nil
	}
	return 0, s.wrongEntrypoint(fmt.Errorf("the ENTRYPOINT of image %s gave the shell no script to read: it keeps its stdin to itself", s.image))
}

func (s *stage) wrongEntrypoint(err error) error {
	return fault.Job(err,
		"set the image's entrypoint to [\"\"] in the pipeline, or use an image whose ENTRYPOINT ends with exec \"$@\"")
}

// open waits until the script may be sent.
func (s *stage) open(ctx context.Context) error {
	select {
	case err := <-s.opened:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attached sends the script to the waiting shell and copies the output. The log would not do,
// since it holds back lines without an end.
func (s *stage) attached(ctx context.Context, script []byte, exits <-chan engine.Exit, errs <-chan error) (int, error) {
	conn, err := s.eng.Attach(ctx, s.id, engine.Outputs{Stdout: true, Stderr: true})
	if err != nil {
		return 0, s.eng.Explain("attaching to the job container", err)
	}
	if err := s.open(ctx); err != nil {
		_ = conn.Close()
		return 0, err
	}
	arrived := stream.NewMarker(s.out, plan.ScriptMarker)
	copied, end := stream.Beside(conn, func() error {
		return errors.Join(conn.CopyTo(arrived, arrived), arrived.Flush())
	})
	defer end()
	go func() {
		_, _ = conn.Write(plan.Announced(script)) // a shell may end before it has read all
		_ = conn.CloseWrite()
	}()
	code, err := s.finish(ctx, copied, exits, errs)
	if err != nil {
		return 0, err
	}
	select {
	case <-arrived.Found:
		return code, nil
	default:
		return s.unread(code)
	}
}

// logged sends the script and leaves the output to the log, which follows.
func (s *stage) logged(ctx context.Context, script []byte, logDone <-chan error, exits <-chan engine.Exit, errs <-chan error) (int, error) {
	conn, err := s.eng.Attach(ctx, s.id, engine.Outputs{})
	if err != nil {
		return 0, s.eng.Explain("attaching to the job container", err)
	}
	defer conn.Close()
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	go func() {
		_, _ = conn.Write(script)
		_ = conn.CloseWrite()
	}()
	return s.finish(ctx, logDone, exits, errs)
}

// finish waits for the script's end and then for the rest of its output. An attachment to a
// container that has just ended may hang, hence the bound.
func (s *stage) finish(ctx context.Context, copied <-chan error, exits <-chan engine.Exit, errs <-chan error) (int, error) {
	code, err := s.ended(ctx, exits, errs)
	if err != nil {
		return 0, err
	}
	bound := time.NewTimer(s.bounds.EndWait)
	defer bound.Stop()
	select {
	case err := <-copied:
		if err != nil {
			return 0, s.eng.Explain("reading the script's output", err)
		}
	case <-bound.C:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return code, nil
}

func (s *stage) ended(ctx context.Context, exits <-chan engine.Exit, errs <-chan error) (int, error) {
	select {
	case exit := <-exits:
		if exit.Error != "" {
			return 0, fault.System(fmt.Errorf("the job container: %s", exit.Error), "")
		}
		return s.confirmed(ctx, exit.Code)
	case err := <-errs:
		if engine.Gone(err) {
			return 0, fault.System(fmt.Errorf("the job's container was removed while its script ran"),
				"something removed it: a `docker prune` on this host, or a second cleanup")
		}
		return 0, s.eng.Explain("waiting for the script", err)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// confirmed asks the engine again before it believes exit code 0: an empty answer decodes to 0,
// too.
func (s *stage) confirmed(ctx context.Context, code int) (int, error) {
	if code != 0 {
		return code, nil
	}
	c, err := s.eng.Container(ctx, s.id)
	if err == nil && c.Running {
		err = engine.ErrNonsense
	}
	if err != nil {
		return 0, s.eng.Explain("asking for the script's exit code", err)
	}
	return c.ExitCode, nil
}

// afterLastLine is the time, by the engine's clock, just after the last line of a container's
// log. From there on a stage shows none of the lines of an earlier stage.
func (s *Stages) afterLastLine(ctx context.Context, id string) (string, error) {
	log, err := s.eng.Log(ctx, id, engine.LogOptions{Tail: "1", Timestamps: true})
	if err != nil {
		return "", s.eng.Explain("reading the job container's log", err)
	}
	defer log.Close()
	var b strings.Builder
	if err := log.CopyMost(&b, engine.MaxPrinted); err != nil {
		return "", fmt.Errorf("reading the job container's log: %w", err)
	}
	stamp, _, _ := strings.Cut(b.String(), " ")
	last, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return "", nil // no line yet
	}
	return last.Add(time.Nanosecond).Format(time.RFC3339Nano), nil
}

// Halt ends all processes of a container, first by SIGTERM, then by SIGKILL. SIGTERM lets a
// docker build tell its daemon. With firstAlone only the first process gets SIGTERM.
func (s *Stages) Halt(ctx context.Context, id string, firstAlone bool) error {
	ctx, cancel := context.WithTimeout(ctx, termWait+2*s.bounds.EndWait)
	defer cancel()
	exits, errs := s.eng.Wait(ctx, id, engine.NotRunning)
	if !firstAlone {
		go s.signalAll(ctx, id, "TERM")
	}
	_ = s.eng.Kill(ctx, id, "TERM") // a container that has ended is fine
	grace := time.NewTimer(termWait)
	defer grace.Stop()
	for {
		select {
		case <-exits:
			return nil
		case err := <-errs:
			if engine.Gone(err) {
				return nil
			}
			return s.eng.Explain("stopping the script", err)
		case <-grace.C:
			_ = s.eng.Kill(ctx, id, "KILL") // the wait reports the end
		}
	}
}

// signalAll signals every process of a container except the first, from inside. The engine
// reaches only the first process, and a shell there passes nothing on.
func (s *Stages) signalAll(ctx context.Context, id, signal string) {
	_, _ = s.eng.Run(ctx, id, []string{"sh", "-c", "kill -" + signal + " -1"}, nil, io.Discard)
}
