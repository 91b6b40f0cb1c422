package stages

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/sandbox"
	"gitlab-dind-executor/driver/stream"
	"gitlab-dind-executor/wary"
)

const (
	// maxServiceLog bounds the output of a service in the job log of a stage, in bytes.
	maxServiceLog = 1 << 20
	// maxServiceLine is the length at which an unfinished line is cut, in bytes.
	maxServiceLine = 16 << 10
	// serviceLogEnd bounds the look for last lines at the end of a stage.
	serviceLogEnd = 2 * time.Second
)

// ServiceLogs shows the output of the job's services in a stage's output.
type ServiceLogs struct {
	s      *Stages
	out    *stream.Mixer
	job    string
	stop   context.CancelFunc
	follow sync.WaitGroup
	logs   []*serviceLog
}

// FollowServices shows the logs of a job's services and of its docker daemon until End is called.
// The output of the stage's script must go to Out. Lines shown in an earlier stage are not shown
// again. A fault of the engine becomes a line, too: a look behind the scenes must not fail a job.
// line makes a line for the job log from a service's name and a text.
func (s *Stages) FollowServices(ctx context.Context, job string, out io.Writer, line func(service, text string) string) *ServiceLogs {
	l := &ServiceLogs{s: s, job: job, out: stream.NewMixer(out)}
	ctx, l.stop = context.WithCancel(ctx)
	found, since, err := s.servicesOf(ctx, job)
	if err != nil {
		l.out.Line(wary.Text("warning: the services' logs cannot be shown: " + err.Error()))
	}
	for _, c := range found {
		one := &serviceLog{id: c.id, since: since, show: func(text string) { l.out.Line(line(c.name, text)) }}
		l.logs = append(l.logs, one)
		l.follow.Go(func() { one.read(ctx, s, true, "") })
	}
	return l
}

// Out takes the script's output.
func (l *ServiceLogs) Out() io.Writer { return l.out }

// End shows the services' output up to the stage's end and no more. The next stage goes on from
// there.
func (l *ServiceLogs) End(ctx context.Context) {
	l.stop()
	l.follow.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serviceLogEnd)
	defer cancel()
	if until, err := l.s.lastEnd(ctx, l.job); err == nil && until != "" {
		for _, one := range l.logs {
			one.read(ctx, l.s, false, until)
		}
	}
	l.out.Flush()
}

// namedContainer is a container with its name in the job log.
type namedContainer struct{ id, name string }

// servicesOf finds a job's services and sidecar. since is the end of the job's latest stage on
// the build side, by the engine's clock.
func (s *Stages) servicesOf(ctx context.Context, job string) (found []namedContainer, since string, err error) {
	_, within, err := s.jobs.JobContainer(ctx, job)
	if err != nil {
		return nil, "", err
	}
	if since, err = s.lastEnd(ctx, job); err != nil {
		return nil, "", err
	}
	list, err := s.eng.Containers(ctx, label.Sandbox+"="+within)
	if err != nil {
		return nil, "", s.eng.Explain("looking for the job's services", err)
	}
	for _, c := range list {
		if role := plan.Role(c.Labels[label.Role]); role != plan.RoleService && role != plan.RoleSidecar {
			continue
		}
		full, err := s.eng.Container(ctx, c.ID)
		if err != nil {
			return found, since, s.eng.Explain("looking at a service", err)
		}
		name := strings.Join(sandbox.ServiceNames(full, within), "-")
		if name == "" {
			name = label.ImageName(c.Labels, c.Image)
		}
		found = append(found, namedContainer{c.ID, name})
	}
	return found, since, nil
}

// lastEnd is the time when the job container last ended, or "".
func (s *Stages) lastEnd(ctx context.Context, job string) (string, error) {
	id, _, err := s.jobs.JobContainer(ctx, job)
	if err != nil {
		return "", err
	}
	c, err := s.eng.Container(ctx, id)
	if err != nil {
		return "", s.eng.Explain("looking at the job container", err)
	}
	if c.Finished.IsZero() {
		return "", nil // the container has not ended yet
	}
	return c.Finished.Format(time.RFC3339Nano), nil
}

// serviceLog shows the log of one service.
type serviceLog struct {
	id string
	// since is the time after which lines are new.
	since string
	show  func(text string)
	shown int
	held  []byte
	// latest is the latest time of a line. recent are this read's lines from about that time on,
	// and earlier those of the read before.
	latest          time.Time
	recent, earlier map[lineSum]*seen
	// flooded: too many lines came at once to be remembered.
	flooded bool
}

// lineSum stands for a line and its time, since a service may print lines of any length.
type lineSum [sha256.Size]byte

// seen is a line that was read.
type seen struct {
	at    time.Time
	times int
}

// maxRecent bounds the number of remembered lines.
const maxRecent = 4096

// disorder is the largest disorder in the times of lines: a container's two outputs reach its log
// by two ways.
const disorder = time.Second

// from is the time from which a read may find new lines.
func (s *serviceLog) from() string {
	began := after(s.since)
	if s.flooded {
		return s.latest.Add(time.Nanosecond).Format(time.RFC3339Nano)
	}
	if t, err := time.Parse(time.RFC3339Nano, began); s.latest.IsZero() || err == nil && s.latest.Add(-disorder).Before(t) {
		return began
	}
	return s.latest.Add(-disorder).Format(time.RFC3339Nano)
}

// isNew tells whether a line is new, and remembers the line for later reads.
func (s *serviceLog) isNew(stamp, text string) bool {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return true
	}
	if t.After(s.latest) {
		s.latest = t
	}
	line := lineSum(sha256.Sum256([]byte(stamp + " " + text)))
	s.remember(line, t)
	if before := s.earlier[line]; before != nil && before.times > 0 {
		before.times--
		return false
	}
	return true
}

// remember keeps a line as long as a later read may deliver the line again. After a flood nothing
// is kept, and the next read begins behind the latest line.
func (s *serviceLog) remember(line lineSum, at time.Time) {
	if s.flooded {
		return
	}
	if before := s.recent[line]; before != nil {
		before.times++
		return
	}
	if len(s.recent) >= maxRecent {
		maps.DeleteFunc(s.recent, func(_ lineSum, l *seen) bool { return s.latest.Sub(l.at) > disorder })
	}
	if len(s.recent) >= maxRecent {
		s.recent, s.flooded = nil, true
		return
	}
	s.recent[line] = &seen{at, 1}
}

// turn begins a read.
func (s *serviceLog) turn() { s.earlier, s.recent = s.recent, map[lineSum]*seen{} }

// read shows the lines after since and, unless until is empty, up to until.
func (s *serviceLog) read(ctx context.Context, of *Stages, follow bool, until string) {
	if s.shown > maxServiceLog {
		return // no further output is shown, so none is remembered
	}
	log, err := of.eng.Log(ctx, s.id, engine.LogOptions{Timestamps: true, Follow: follow, Since: s.from(), Until: until})
	if err != nil {
		return // the service is gone, or the stage
	}
	defer log.Close()
	defer context.AfterFunc(ctx, func() { log.Close() })()
	s.turn()
	_ = log.CopyTo(s, s) // an incomplete log is shown, too
	s.held = nil         // a line that was cut off comes again
}

// Write takes lines that begin with the time at which the engine got them.
func (s *serviceLog) Write(p []byte) (int, error) {
	s.held = append(s.held, p...)
	for {
		end := bytes.IndexByte(s.held, '\n')
		if end < 0 {
			if len(s.held) < maxServiceLine {
				return len(p), nil
			}
			end = len(s.held) // the engine cuts here, too
		}
		stamp, text, ok := strings.Cut(string(s.held[:end]), " ")
		s.held = s.held[min(end+1, len(s.held)):]
		if !ok {
			continue
		}
		if s.shown > maxServiceLog || !s.isNew(stamp, text) {
			continue
		}
		if s.shown += len(text) + 1; s.shown > maxServiceLog {
			text = fmt.Sprintf("(it printed more than %d KB in one stage: the rest is left out here)", maxServiceLog>>10)
		}
		s.show(strings.TrimRight(text, "\r"))
	}
}

// after returns the time just after a stamp of the engine, or "".
func after(stamp string) string {
	t, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return ""
	}
	return t.Add(time.Nanosecond).Format(time.RFC3339Nano)
}
