package executor

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// finishBehind starts a sweep that outlives this hook, for what the job's end
// need not wait for. It is in a session of its own and holds none of the hook's
// files, since the Runner waits for whoever holds its pipes. Should it die, too,
// what it has not removed is found by any later sweep.
func (c *call) finishBehind() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"gc"}
	if c.settingsFile != "" {
		file, err := filepath.Abs(c.settingsFile) // the hook's folder goes with the job
		if err != nil {
			return err
		}
		args = append(args, "--settings", file)
	}
	sweep := exec.Command(self, args...)
	sweep.Dir = "/"
	sweep.Env = c.env.ofHost()
	sweep.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := sweep.Start(); err != nil {
		return err
	}
	return sweep.Process.Release()
}

// ofHost is what of the environment concerns the host and the engine: nothing
// of the job, whose variables are no business of what outlives it.
func (e environment) ofHost() []string {
	var env []string
	for key, value := range e {
		if slices.Contains([]string{"PATH", "HOME", "USER", "SSH_AUTH_SOCK"}, key) || strings.HasPrefix(key, "DOCKER_") || strings.HasPrefix(key, "XDG_") {
			env = append(env, key+"="+value)
		}
	}
	slices.Sort(env)
	return env
}
