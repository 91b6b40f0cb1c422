package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/hostfile"
)

// failedScript is a script that ended with a code other than 0. It has said
// itself what was wrong.
type failedScript struct{ code int }

func (f *failedScript) Error() string { return fmt.Sprintf("exit code %d", f.code) }

// How the Runner hands on what it wants to hear, in a hook's environment.
const (
	envBuildCode  = "BUILD_FAILURE_EXIT_CODE"
	envSystemCode = "SYSTEM_FAILURE_EXIT_CODE"
	envExitFile   = "BUILD_EXIT_CODE_FILE"
)

// exit knows the codes by which a hook tells the Runner how it ended.
type exit struct {
	// build ends the job, system makes the Runner try again.
	build, system int
	// file receives a script's own code.
	file string
}

func newExit(env payload.Environment) exit {
	code := func(key string, otherwise int) int {
		n, err := strconv.Atoi(env[key])
		if err != nil || n < 1 || n > 255 {
			return otherwise
		}
		return n
	}
	return exit{build: code(envBuildCode, 1), system: code(envSystemCode, 2), file: env[envExitFile]}
}

// reset removes a code that an earlier stage left: the Runner never does, and
// would take it for this stage's.
func (e exit) reset() error {
	if e.file == "" {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer dir.Close()
		err = dir.Remove(filepath.Base(e.file))
	}
	if err != nil {
		return fmt.Errorf("removing the exit code of an earlier stage: %w", err)
	}
	return nil
}

// record leaves a script's own code for the Runner, which needs it for
// allow_failure:exit_codes.
func (e exit) record(code int) error {
	if e.file == "" {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err == nil {
		defer dir.Close()
		err = dir.Write(filepath.Base(e.file), []byte(strconv.Itoa(code)+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("leaving the script's exit code to the Runner: %w", err)
	}
	return nil
}

// peakFile is beside the file for a script's code: one folder of the Runner's for each
// attempt of a job, which goes with it. The stage that tells is another process than
// those that look.
const (
	peakFile = "gitlab-dind-executor-peak"
	maxPeak  = 4096
)

// notePeak leaves the most that was in memory so far to the stages behind.
func (e exit) notePeak(job string, most uint64) error {
	if e.file == "" {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return err
	}
	defer dir.Close()
	before, _ := readPeak(dir, job)
	return dir.Write(peakFile, fmt.Appendf(nil, "%d %s\n", max(most, before), job), 0o600)
}

// peak is the most that was in memory, of what was noted and what is there now; 0 when
// nobody has looked.
func (e exit) peak(job string, now uint64) uint64 {
	if e.file == "" {
		return 0
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return 0
	}
	defer dir.Close()
	noted, ok := readPeak(dir, job)
	if !ok {
		return 0
	}
	return max(noted, now)
}

// readPeak reads what was noted for a job.
func readPeak(dir *hostfile.Dir, job string) (most uint64, noted bool) {
	text, err := dir.ReadOwn(peakFile, maxPeak)
	if err != nil {
		return 0, false
	}
	number, of, _ := strings.Cut(strings.TrimSuffix(string(text), "\n"), " ")
	if most, err = strconv.ParseUint(number, 10, 64); err != nil || of != job {
		return 0, false
	}
	return most, true
}

// containersFile is beside the file for a script's code, as peakFile is: prepare notes
// in it which containers the job has, so that the hooks behind it need not let the
// engine look through those of all other jobs. It is a hint: what is not as it says is
// looked for by the job's label.
const (
	containersFile = "gitlab-dind-executor-containers"
	// maxContainers bounds it, in bytes and in containers.
	maxContainersFile = 64 << 10
	maxContainers     = 500
)

// jobsContainers is what the file holds.
type jobsContainers struct {
	Job        string
	Containers []string
}

// containerID is the whole id of a container.
var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// noteContainers leaves to the later hooks which containers a job has. No job fails
// for it.
func (e exit) noteContainers(job string, ids []string) error {
	if e.file == "" || len(ids) == 0 {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return err
	}
	defer dir.Close()
	text, err := json.Marshal(jobsContainers{job, ids})
	if err != nil {
		return err
	}
	return dir.Write(containersFile, text, 0o600)
}

// containersOf are the ids that were noted for a job, or none.
func (e exit) containersOf(job string) []string {
	if e.file == "" {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return nil
	}
	defer dir.Close()
	text, err := dir.ReadOwn(containersFile, maxContainersFile)
	if err != nil {
		return nil
	}
	var noted jobsContainers
	if json.Unmarshal(text, &noted) != nil || noted.Job != job || len(noted.Containers) > maxContainers {
		return nil
	}
	for _, id := range noted.Containers {
		if !containerID.MatchString(id) {
			return nil
		}
	}
	return noted.Containers
}

// trafficFile is beside that of the peak, and for the same reason.
const trafficFile = "gitlab-dind-executor-traffic"

// noteTraffic leaves what was counted at the last look to the stage that tells. A script
// without a look leaves what is there.
func (e exit) noteTraffic(job string, seen looking.Traffic) error {
	if e.file == "" || seen.Received == 0 {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(trafficFile, fmt.Appendf(nil, "%d %d %s\n", seen.Received, seen.Written, job), 0o600)
}

// traffic is what was noted for a job; 0 when nobody has looked.
func (e exit) traffic(job string) looking.Traffic {
	if e.file == "" {
		return looking.Traffic{}
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return looking.Traffic{}
	}
	defer dir.Close()
	text, err := dir.ReadOwn(trafficFile, maxPeak)
	if err != nil {
		return looking.Traffic{}
	}
	var seen looking.Traffic
	var of string
	if n, err := fmt.Sscanf(strings.TrimSuffix(string(text), "\n"), "%d %d %s", &seen.Received, &seen.Written, &of); err != nil || n != 3 || of != job {
		return looking.Traffic{}
	}
	return seen
}

// exited is a command of ours whose exit code is another's, which has said itself
// what was wrong.
type exited struct{ code int }

func (e exited) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// codeOf is doctor's exit code for an error, or 0 if it is none of doctor's.
func codeOf(err error) int {
	var a ailing
	var e exited
	switch {
	case errors.As(err, &e):
		return e.code
	case !errors.As(err, &a):
		return 0
	case a.worst == doctor.Error:
		return codeFailed
	}
	return codeDoubt
}

// code is the one place where errors become exit codes.
func (c *call) code(err error) int {
	var script *failedScript
	var panicked *group.Panic
	switch {
	case err == nil:
		return 0
	case errors.As(err, &panicked): // here, or in a goroutine
		c.log.Fail(fault.System(panicked, "please report it with the lines below"))
		fmt.Fprintf(c.stderr, "%s\n", panicked.Stack)
		return c.exit.system
	case errors.As(err, &script):
		if err := c.exit.record(script.code); err != nil {
			c.log.Fail(err)
			return c.exit.system
		}
		return c.exit.build
	case codeOf(err) != 0:
		return codeOf(err)
	case errors.Is(err, context.Canceled):
		// The job was cancelled or ran out of time: the Runner knows and says so.
		return c.exit.system
	}
	c.log.Fail(err)
	if fault.IsOfJob(err) {
		return c.exit.build
	}
	return c.exit.system
}
