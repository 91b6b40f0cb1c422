package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/doctor"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/hostfile"
	"gitlab-dind-executor/pattern"
)

// failedScript is the end of a script with a code other than 0. The script has printed the
// reason itself.
type failedScript struct{ code int }

func (f *failedScript) Error() string { return fmt.Sprintf("exit code %d", f.code) }

// Variables of a hook's environment with the Runner's exit codes and file for a script's
// code.
const (
	envBuildCode  = "BUILD_FAILURE_EXIT_CODE"
	envSystemCode = "SYSTEM_FAILURE_EXIT_CODE"
	envExitFile   = "BUILD_EXIT_CODE_FILE"
)

// exit holds the codes that tell the Runner how a hook ended.
type exit struct {
	// build ends the job; system makes the Runner try again.
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

// reset removes an earlier stage's code. The Runner never removes the code, and would take
// it for this stage's.
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

// record leaves a script's own code for the Runner, which needs the code for
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

// Notes lie beside the file for a script's code. The Runner has this folder for each attempt
// of a job, and removes it with the attempt. Each hook is a process of its own, so later
// hooks read the notes of earlier ones. A note is a hint, and no job fails for want of a note.
const (
	// peakFile has the most memory used while scripts ran.
	peakFile = "gitlab-dind-executor-peak"
	// trafficFile has the traffic counted at the last look at a script.
	trafficFile = "gitlab-dind-executor-traffic"
	// containersFile has the ids of the job's containers. With them the engine need not
	// search through the containers of all other jobs. Missing or wrong ids do no harm:
	// the job's label finds its containers, too.
	containersFile = "gitlab-dind-executor-containers"
	// maxNote bounds a note, in bytes, and maxContainers the number of containers in a
	// note.
	maxNote       = 64 << 10
	maxContainers = 500
)

// note leaves a text to later hooks.
func (e exit) note(name string, text []byte) error {
	if e.file == "" {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(name, text, 0o600)
}

// noted returns an earlier hook's note, or nil. noted reads no file that others may have
// written.
func (e exit) noted(name string) []byte {
	if e.file == "" {
		return nil
	}
	dir, err := hostfile.OpenNamedDir(filepath.Dir(e.file))
	if err != nil {
		return nil
	}
	defer dir.Close()
	text, err := dir.ReadOwn(name, maxNote)
	if err != nil {
		return nil
	}
	return text
}

// noteNumbers leaves numbers about a job to later hooks.
func (e exit) noteNumbers(name, job string, numbers ...uint64) error {
	return e.note(name, fmt.Appendf(nil, "%s %s\n", strings.Trim(fmt.Sprint(numbers), "[]"), job))
}

// notedNumbers returns the count numbers noted for a job, or nil.
func (e exit) notedNumbers(name, job string, count int) []uint64 {
	words := strings.Split(strings.TrimSuffix(string(e.noted(name)), "\n"), " ")
	if len(words) != count+1 || words[count] != job {
		return nil
	}
	numbers := make([]uint64, count)
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseUint(words[i], 10, 64); err != nil {
			return nil
		}
	}
	return numbers
}

// notePeak leaves the highest memory so far, in bytes, to later stages.
func (e exit) notePeak(job string, most uint64) error {
	if before := e.notedNumbers(peakFile, job, 1); before != nil {
		most = max(most, before[0])
	}
	return e.noteNumbers(peakFile, job, most)
}

// peak returns the higher of the noted memory and now, in bytes; 0 when nobody has looked.
func (e exit) peak(job string, now uint64) uint64 {
	noted := e.notedNumbers(peakFile, job, 1)
	if noted == nil {
		return 0
	}
	return max(noted[0], now)
}

// noteTraffic leaves the traffic of the last look to the stage that reports it. Without a
// look, an earlier note stays.
func (e exit) noteTraffic(job string, seen looking.Traffic) error {
	if seen.Received == 0 {
		return nil
	}
	return e.noteNumbers(trafficFile, job, seen.Received, seen.Written)
}

// traffic returns the traffic noted for a job; 0 when nobody has looked.
func (e exit) traffic(job string) looking.Traffic {
	noted := e.notedNumbers(trafficFile, job, 2)
	if noted == nil {
		return looking.Traffic{}
	}
	return looking.Traffic{Received: noted[0], Written: noted[1]}
}

// jobsContainers is the content of containersFile.
type jobsContainers struct {
	Job        string
	Containers []string
}

// containerID is the whole id of a container.
var containerID = pattern.New(`^[0-9a-f]{64}$`)

// noteContainers leaves the ids of a job's containers to later hooks.
func (e exit) noteContainers(job string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	text, err := json.Marshal(jobsContainers{job, ids})
	if err != nil {
		return err
	}
	return e.note(containersFile, text)
}

// containersOf returns the ids noted for a job, or none.
func (e exit) containersOf(job string) []string {
	var noted jobsContainers
	if json.Unmarshal(e.noted(containersFile), &noted) != nil || noted.Job != job || len(noted.Containers) > maxContainers {
		return nil
	}
	for _, id := range noted.Containers {
		if !containerID.MatchString(id) {
			return nil
		}
	}
	return noted.Containers
}

// exited carries the exit code of another program that has printed the reason itself.
type exited struct{ code int }

func (e exited) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// codeOf returns the exit code of doctor or of another program for an error, or 0 for any
// other error.
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

// code is the only place that turns errors into exit codes.
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
		// The job was cancelled or ran out of time. The Runner knows, and says so.
		return c.exit.system
	}
	c.log.Fail(err)
	if fault.IsOfJob(err) {
		return c.exit.build
	}
	return c.exit.system
}
