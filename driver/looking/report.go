package looking

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitlab-dind-executor/driver/engine"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/wary"
)

// reportLines is the number of lines of the sidecar's log in a report.
const reportLines = 200

// Report describes a job's containers before they go. A report has no environment and no command,
// and so no value of a variable.
type Report struct {
	Sandbox    string
	Created    time.Time
	Containers []ContainerReport
	// SidecarLog has the last lines of the inner daemon.
	SidecarLog []string
	Usage      Usage
}

// ContainerReport is the state of one container.
type ContainerReport struct {
	Name, Role, Image string
	// Status is the engine's word: running, exited, created, dead.
	Status            string
	ExitCode          int
	OutOfMemory       bool
	Error             string `json:",omitempty"`
	Started, Finished time.Time
}

// Usage is the consumption of the sidecar, and so of the job's builds.
type Usage struct {
	// Received and Written are bytes: from the network, to disk.
	Received, Written uint64
	// Disk is the growth of the data root by the job, in bytes. Disk is 0 if the data root began
	// with layers of earlier jobs or a seed, or if the counting takes too long.
	Disk uint64
	// Memory is the sidecar's memory now, in bytes, as a status shows it: without file cache that
	// the kernel could drop. PeakMemory is the most memory seen by looks each second while
	// scripts ran, in bytes; 0 without looks.
	Memory     uint64 `json:",omitempty"`
	PeakMemory uint64
	// Boot is the time from the sidecar's creation until its daemon listened.
	Boot time.Duration
	// Warm: the sidecar was made ahead of the job.
	Warm bool
	// Layers is empty if no layers are cached.
	Layers plan.LayersState `json:",omitempty"`
}

// Report describes a job's containers. Facts out of reach are left out.
func (l *Looker) Report(ctx context.Context, job string) (Report, error) {
	_, sandbox, err := l.jobs.JobContainer(ctx, job)
	if err != nil {
		return Report{}, err
	}
	found, err := l.eng.Ours(ctx, label.Sandbox+"="+sandbox)
	if err != nil || found[sandbox] == nil {
		return Report{}, err
	}
	r := Report{Sandbox: sandbox}
	list := found[sandbox].Containers
	states := make([]*ContainerReport, len(list))
	var g group.Group
	for i, o := range list {
		g.Go(func() error {
			states[i] = l.containerReport(ctx, o)
			return nil
		})
	}
	g.Go(func() error {
		for _, o := range list {
			if o.Role == plan.RoleSidecar {
				r.Usage, r.SidecarLog = l.usage(ctx, o.Ref, Traffic{})
			}
		}
		return nil
	})
	_ = g.Wait() // no function fails: facts out of reach are left out
	for _, s := range states {
		if s != nil {
			r.Containers = append(r.Containers, *s)
		}
	}
	slices.SortFunc(r.Containers, func(a, b ContainerReport) int { return strings.Compare(a.Name, b.Name) })
	for _, n := range found[sandbox].Networks {
		r.Created, _ = time.Parse(time.RFC3339, n.Labels[label.Created])
	}
	return r, nil
}

func (l *Looker) containerReport(ctx context.Context, o engine.Object) *ContainerReport {
	c, err := l.eng.Container(ctx, o.Ref)
	if err != nil {
		return nil
	}
	r := &ContainerReport{
		Name: o.Name, Role: string(o.Role), Image: label.ImageName(c.Labels, c.Image), Status: c.Status,
		ExitCode: c.ExitCode, OutOfMemory: c.OutOfMemory, Error: c.Error,
	}
	r.Started, r.Finished = c.Started, c.Finished
	return r
}

// SidecarState is the state of a job's inner daemon.
type SidecarState struct {
	// Known is false if the engine did not tell.
	Known       bool
	Running     bool
	ExitCode    int
	OutOfMemory bool
	// DataSize is the bound of the data root in bytes; 0 if the host's disk is the bound.
	DataSize int64
}

// Sidecar reads the state of a job's sidecar.
func (l *Looker) Sidecar(ctx context.Context, job string) SidecarState {
	id, err := l.jobs.SidecarOf(ctx, job)
	if err != nil {
		return SidecarState{}
	}
	if id == "" {
		return SidecarState{Known: true}
	}
	c, err := l.eng.Container(ctx, id)
	switch {
	case engine.Gone(err):
		return SidecarState{Known: true}
	case err != nil:
		return SidecarState{}
	}
	size, _ := strconv.ParseInt(c.Labels[label.DataSize], 10, 64)
	return SidecarState{Known: true, Running: c.Running, ExitCode: c.ExitCode, OutOfMemory: c.OutOfMemory, DataSize: size}
}

// Usage is the consumption of a job's sidecar so far. seen is the traffic at the last look while
// scripts ran, and serves if the engine is slow.
func (l *Looker) Usage(ctx context.Context, job string, seen Traffic) (Usage, error) {
	id, err := l.jobs.SidecarOf(ctx, job)
	if err != nil || id == "" {
		return Usage{}, err
	}
	u, _ := l.usage(ctx, id, seen)
	return u, nil
}

func (l *Looker) usage(ctx context.Context, sidecar string, seen Traffic) (Usage, []string) {
	counted := make(chan uint64, 1)
	go func() { counted <- l.dataRootSize(ctx, sidecar) }()
	u, log := l.engineUsage(ctx, sidecar, seen)
	u.Disk = <-counted
	return u, log
}

// countBound bounds the counting of the data root, since the job waits for it.
const countBound = 300 * time.Millisecond

// dataRootSize counts the bytes in the data root of a running sidecar. The answer is 0 for a data
// root that did not begin empty, and after countBound.
func (l *Looker) dataRootSize(ctx context.Context, sidecar string) uint64 {
	ctx, cancel := context.WithTimeout(ctx, countBound)
	defer cancel()
	c, err := l.eng.Container(ctx, sidecar)
	if err != nil {
		return 0
	}
	if plan.LayersState(c.Labels[label.Layers]).Earlier() || slices.Contains(c.Places, plan.SeedPath) {
		return 0 // most of it is from others
	}
	// The place depends on the privilege. No other mount has this name.
	i := slices.IndexFunc(c.Places, func(at string) bool { return path.Base(at) == "docker" })
	if i < 0 {
		return 0
	}
	out := wary.Buffer{Most: engine.MaxPrinted}
	code, err := l.eng.Run(ctx, sidecar, []string{"sh", "-c", `du -sxk "$0/." 2>/dev/null | cut -f1`, c.Places[i]}, nil, &out)
	kib, perr := strconv.ParseUint(strings.TrimSpace(out.String()), 10, 54)
	if err != nil || perr != nil || code != 0 {
		return 0
	}
	return kib << 10
}

// seenPatience bounds a new count of traffic if an earlier count can serve. Before Docker 25 an
// engine counts once a second for all clients, and the job would wait for up to a second.
const seenPatience = 50 * time.Millisecond

// engineUsage is the consumption that the engine itself knows.
func (l *Looker) engineUsage(ctx context.Context, sidecar string, seen Traffic) (Usage, []string) {
	u := Usage{Received: seen.Received, Written: seen.Written}
	patient, cancel := ctx, func() {}
	if seen.Received > 0 && !l.eng.Speaks("1.44") {
		patient, cancel = context.WithTimeout(ctx, seenPatience)
	}
	defer cancel()
	if used, err := l.eng.Used(patient, sidecar); err == nil {
		u.Memory, u.Received, u.Written = uint64(max(used.Memory, 0)), used.Received, used.Written
	}
	c, err := l.eng.Container(ctx, sidecar)
	if err != nil {
		return u, nil
	}
	u.Layers = plan.LayersState(c.Labels[label.Layers])
	stream, err := l.eng.Log(ctx, sidecar, engine.LogOptions{Timestamps: true, Tail: "1000"})
	if err != nil {
		return u, nil
	}
	defer stream.Close()
	var buf bytes.Buffer
	_ = stream.CopyMost(&buf, 1<<20) // an incomplete log is searched, too
	lines := strings.Split(strings.TrimRight(buf.String(), "\n"), "\n")
	u.Boot, u.Warm = bootTime(c.Created, lines), c.Labels[label.Deadline] != ""
	return u, lines[max(0, len(lines)-reportLines):]
}

// saysListening is in dockerd's log once it listens.
const saysListening = "API listen on"

// bootTime finds dockerd's first line about listening, among lines that begin with a time stamp.
// The answer is the time since created; 0 without such a line.
func bootTime(created time.Time, lines []string) time.Duration {
	for _, line := range lines {
		stamp, text, _ := strings.Cut(line, " ")
		if !strings.Contains(text, saysListening) {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && at.After(created) {
			return at.Sub(created)
		}
	}
	return 0
}
