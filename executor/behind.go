package executor

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver"
	"gitlab-dind-executor/executor/payload"
	"gitlab-dind-executor/hostfile"
)

// finishBehind starts a sweep that outlives this hook, for what the job's end
// need not wait for. Should it die, too, what it has not removed is found by any
// later sweep. With caches it looks after what is cached for projects, too.
func (c *call) finishBehind(caches bool) error {
	if caches {
		return c.behind(nil, "gc", "--caches")
	}
	return c.behind(nil, "gc")
}

// freeBehind starts such a sweep where this hook has found volumes that resist
// their removal, and nobody had before: no job waits until they are emptied.
func (c *call) freeBehind(d *driver.Driver) {
	if d.Noted() > 0 {
		c.freeing.Do(func() { _ = c.finishBehind(false) }) // else the timer's gc comes
	}
}

// behind starts this program again so that it outlives this hook. It is in a
// session of its own and holds none of the hook's files, since the Runner waits
// for whoever holds its pipes. input is its stdin, in memory only.
func (c *call) behind(input []byte, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if c.settingsFile != "" {
		file, err := filepath.Abs(c.settingsFile) // the hook's folder goes with the job
		if err != nil {
			return err
		}
		args = append(args, "--settings", file)
	}
	process := exec.Command(self, args...)
	process.Dir = "/"
	process.Env = c.env.OfHost()
	if c.record.Job != "" {
		process.Env = append(process.Env, envBehind+"="+c.record.Job, envStarted+"="+c.env[envStarted])
	}
	process.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if input != nil {
		stdin, err := inMemory(input)
		if err != nil {
			return err
		}
		defer stdin.Close()
		process.Stdin = stdin
	}
	if err := process.Start(); err != nil {
		return err
	}
	return process.Process.Release()
}

// inMemory is a file that no disk ever sees.
func inMemory(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("gitlab-dind-executor", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "memory")
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing a file in memory: %w", err)
	}
	return f, nil
}

// cachesEvery is how often what is cached is looked after behind jobs: its sizes
// cost the engine a walk over all volumes.
const cachesEvery = time.Hour

// cachesDue tells, once in that time, that it is to be looked after now. The time
// of a file tells when it last was; where none can be written, such as without a
// home, it is one job in sixteen, by the microseconds of the clock.
func cachesDue(s config.Settings, env payload.Environment, now time.Time) bool {
	if !s.Caches() {
		return false
	}
	byChance := now.Nanosecond()/1000%16 == 0
	dir := bundleDir(s.Bundles, env)
	if dir == "" {
		return byChance
	}
	state, err := hostfile.OpenOrMake(dir)
	if err != nil {
		return byChance
	}
	defer state.Close()
	const stamp = "caches-looked-after"
	if last, err := state.Modified(stamp); err == nil && last.Before(now.Add(cachesEvery)) && now.Before(last.Add(cachesEvery)) {
		return false
	}
	return state.Write(stamp, []byte(now.Format(time.RFC3339)+"\n"), 0o600) == nil || byChance
}
