package runnerconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// SystemPath is the config.toml of a Runner that runs as root.
const SystemPath = "/etc/gitlab-runner/config.toml"

// maxSize bounds a config.toml, in bytes.
const maxSize = 4 << 20

// ErrNone says that there is no config.toml in the usual places.
var ErrNone = errors.New("no config.toml of GitLab Runner is here")

// Hook is a hook in a section: its program and arguments.
type Hook struct {
	Name, Exec string
	Args       []string
}

// Custom is [runners.custom]. Times are in seconds; 0 means the Runner's own.
type Custom struct {
	ConfigExec          string   `toml:"config_exec"`
	ConfigArgs          []string `toml:"config_args"`
	ConfigExecTimeout   int      `toml:"config_exec_timeout"`
	PrepareExec         string   `toml:"prepare_exec"`
	PrepareArgs         []string `toml:"prepare_args"`
	PrepareExecTimeout  int      `toml:"prepare_exec_timeout"`
	RunExec             string   `toml:"run_exec"`
	RunArgs             []string `toml:"run_args"`
	CleanupExec         string   `toml:"cleanup_exec"`
	CleanupArgs         []string `toml:"cleanup_args"`
	CleanupExecTimeout  int      `toml:"cleanup_exec_timeout"`
	GracefulKillTimeout int      `toml:"graceful_kill_timeout"`
}

// Hooks returns the four hooks, in the order of the Runner's calls.
func (c Custom) Hooks() []Hook {
	return []Hook{
		{"config", c.ConfigExec, c.ConfigArgs},
		{"prepare", c.PrepareExec, c.PrepareArgs},
		{"run", c.RunExec, c.RunArgs},
		{"cleanup", c.CleanupExec, c.CleanupArgs},
	}
}

// Section is a [[runners]] section, with the fields that judgements need.
type Section struct {
	Name     string `toml:"name"`
	URL      string `toml:"url"`
	Token    string `toml:"token"`
	Executor string `toml:"executor"`
	Shell    string `toml:"shell"`
	Custom   Custom `toml:"custom"`
}

// File is a config.toml.
type File struct {
	Path       string    `toml:"-"`
	Concurrent int       `toml:"concurrent"`
	Runners    []Section `toml:"runners"`
}

// Read reads the file at path or, for "", the first existing file of the usual places.
// These are the system's file, then the file of the user with the home directory home.
// Without a file in these places the error is ErrNone.
func Read(path, home string) (File, error) {
	if path != "" {
		return read(path)
	}
	places := []string{SystemPath}
	if home != "" {
		places = append(places, filepath.Join(home, ".gitlab-runner", "config.toml"))
	}
	for _, p := range places {
		f, err := read(p)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return File{}, fault.System(ErrNone, "name the Runner's file with --runner-config FILE; gitlab-dind-executor register prints the section for it")
}

func read(path string) (File, error) {
	src, err := Source(path)
	if err != nil {
		return File{}, err
	}
	f, err := Parse(path, src)
	f.Path = path
	return f, err
}

// Source reads the text of a config.toml.
func Source(path string) ([]byte, error) {
	f, err := hostfile.OpenNamed(path)
	if err != nil {
		hint := "name the Runner's own file"
		if errors.Is(err, fs.ErrPermission) {
			hint = "run this as root, or as the user that the Runner runs as"
		}
		return nil, fault.System(fmt.Errorf("reading the Runner's config.toml: %w", err), hint)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	switch {
	case err != nil:
		return nil, fault.System(fmt.Errorf("reading the Runner's config.toml: %w", err), "name the Runner's own file")
	case len(src) > maxSize:
		return nil, fault.System(fmt.Errorf("%s: larger than %d bytes", path, maxSize), "this is no config.toml of GitLab Runner")
	}
	return src, nil
}

// Parse reads the text of a config.toml. Messages call the text name.
func Parse(name string, src []byte) (File, error) {
	var f File
	if _, err := toml.Decode(string(src), &f); err != nil {
		return File{}, broken(name, err)
	}
	return f, nil
}

// broken reports the line of a fault in a config.toml. The library's longer messages show
// the line's text, which may hold a token.
func broken(name string, err error) error {
	var pe toml.ParseError
	if errors.As(err, &pe) {
		err = fmt.Errorf("%s:%d: %s", name, pe.Position.Line, pe.Message)
	} else {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return fault.System(err, "mend the Runner's config.toml: gitlab-runner verify reads it, too")
}
