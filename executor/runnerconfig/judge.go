package runnerconfig

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// Placeholder stands for a missing token.
const Placeholder = "glrt-REPLACE-ME"

// PlaceholderURL stands for a GitLab still without a name.
const PlaceholderURL = "https://gitlab.example.com"

// CheckURL returns a fault unless a text is the address of a GitLab.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fault.System(errors.New("the URL of GitLab does not begin with http:// or https://"), "write it as https://gitlab.mycompany.com")
	}
	return nil
}

// isPlaceholderURL tells whether a section names the example's GitLab, whose host belongs
// to a stranger.
func isPlaceholderURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && strings.EqualFold(u.Hostname(), "gitlab.example.com")
}

// Program is this program's name.
const Program = "gitlab-dind-executor"

// The Runner's own timeouts for a section without timeouts, and its longest wait for a
// stage before cleanup.
const (
	usualTimeout      = time.Hour
	usualGracefulKill = 10 * time.Minute
	stageWait         = 5 * time.Minute
	// leastConfig is enough for the config hook on a busy host; the hook answers in
	// milliseconds.
	leastConfig = 10 * time.Second
)

// Needs are the settings' demands on a section.
type Needs struct {
	// Prepare and Cleanup are the longest times of these hooks.
	Prepare, Cleanup time.Duration
	// Settings is the named settings file, or "".
	Settings string
}

// NeedsOf returns the demands of the settings in a file; "" stands for no named file.
func NeedsOf(s config.Settings, file string) Needs {
	if abs, err := filepath.Abs(file); err == nil && file != "" {
		file = abs // as the hooks name it
	}
	if file == config.DefaultPath {
		file = ""
	}
	return Needs{Prepare: s.PrepareBound(), Cleanup: s.Cleanup.Timeout.Std(), Settings: file}
}

// Executable is the result of looking at a program in a section.
type Executable int

// The results.
const (
	// Unknown is for a file that cannot be looked at.
	Unknown Executable = iota
	// Missing is for a file that does not exist.
	Missing
	// NotExecutable is for an existing file that cannot be run.
	NotExecutable
	// This is for the running program.
	This
	// Copy is for a copy of the running program.
	Copy
	// Other is for another program or a script.
	Other
)

// Remark is a fault of a section.
type Remark struct {
	// Severe means: no job can run.
	Severe     bool
	Text, Hint string
}

// Ours returns the sections that call this program, by its name or by look. look tells
// whether a file is the program.
func (f File) Ours(look func(path string) Executable) []Section {
	var ours []Section
	for _, s := range f.Runners {
		if s.Executor == "custom" && slices.ContainsFunc(s.Custom.Hooks(), func(h Hook) bool {
			return strings.HasPrefix(filepath.Base(h.Exec), Program) || look(h.Exec) == This || look(h.Exec) == Copy
		}) {
			ours = append(ours, s)
		}
	}
	return ours
}

// Judge returns the faults of a section that should call this program.
func (s Section) Judge(file string, n Needs, look func(path string) Executable) []Remark {
	var remarks []Remark
	where := fmt.Sprintf("runner %q", s.Name)
	bad := func(severe bool, hint, format string, args ...any) {
		remarks = append(remarks, Remark{severe, where + ": " + fmt.Sprintf(format, args...), hint})
	}
	seen := map[string]bool{}
	elsewhere, others := map[string][]string{}, []string(nil)
	for _, h := range s.Custom.Hooks() {
		if h.Exec == "" {
			bad(true, "gitlab-dind-executor register --write "+file+" puts it in", "%s_exec is not set", h.Name)
			continue
		}
		if !seen[h.Exec] { // one remark for each program
			seen[h.Exec] = true
			judgeFile(h, look(h.Exec), bad)
		}
		settings, rest := ourFlags(h.Args)
		if settings == config.DefaultPath {
			settings = ""
		}
		if !slices.Equal(rest, []string{h.Name}) {
			bad(true, fmt.Sprintf("it must end with %q: %s_args = [%q]", h.Name, h.Name, h.Name), "%s_args is %q", h.Name, h.Args)
		}
		if settings != n.Settings {
			if elsewhere[settings] == nil {
				others = append(others, settings)
			}
			elsewhere[settings] = append(elsewhere[settings], h.Name)
		}
	}
	for _, settings := range others { // one remark for each file
		who := "the hook " + elsewhere[settings][0] + " reads"
		if hooks := elsewhere[settings]; len(hooks) > 1 {
			who = "the hooks " + strings.Join(hooks, ", ") + " read"
		}
		bad(false, "check those settings, too: "+Program+withSettings(settings)+" doctor", "%s %s, and doctor looked at %s",
			who, orDefault(settings), orDefault(n.Settings))
	}
	if s.Token == Placeholder || s.Token == "" {
		bad(true, "create a runner in GitLab and put its authentication token (glrt-…) into "+file, "it has no token")
	}
	switch {
	case s.URL == "":
		bad(true, "put the address of your GitLab into "+file, "it has no url")
	case isPlaceholderURL(s.URL):
		bad(true, "put the address of your GitLab into "+file+" in its place", "url is that of the example, %s: the Runner shows its token to that host", PlaceholderURL)
	default:
		if err := CheckURL(s.URL); err != nil {
			bad(true, fault.HintOf(err), "%v", err)
		}
	}
	if s.Shell != "" && s.Shell != "bash" && s.Shell != "sh" {
		bad(true, `leave it out, or write shell = "bash"`, "shell is %q, and the job's containers have bash or sh", s.Shell)
	}
	return append(remarks, s.judgeTimes(where, n)...)
}

func judgeFile(h Hook, what Executable, bad func(severe bool, hint, format string, args ...any)) {
	switch what {
	case Missing:
		bad(true, "install the program there, or name the place where it is", "%s_exec names %s, which is not there", h.Name, h.Exec)
	case NotExecutable:
		bad(true, "chmod 755 "+h.Exec, "%s_exec names %s, which is not executable", h.Name, h.Exec)
	case Copy:
		bad(false, "check with that one: "+h.Exec+" doctor", "%s_exec names %s, another copy of this program", h.Name, h.Exec)
	case Other:
		bad(false, "all is well if it is a script that calls "+Program, "%s_exec names %s, which is another program", h.Name, h.Exec)
	}
	if !filepath.IsAbs(h.Exec) {
		bad(true, "write the whole path", "%s_exec is %q: the Runner calls it from a directory of the job's", h.Name, h.Exec)
	}
}

func (s Section) judgeTimes(where string, n Needs) []Remark {
	var remarks []Remark
	c := s.Custom
	short := func(key string, seconds int, least time.Duration, why string) {
		if have := timeOr(seconds, usualTimeout); have <= least {
			remarks = append(remarks, Remark{
				false, fmt.Sprintf("%s: %s is %s, %s", where, key, config.Duration(have), why),
				fmt.Sprintf("set %s = %d in [runners.custom]", key, Above(least)),
			})
		}
	}
	short("config_exec_timeout", c.ConfigExecTimeout, leastConfig, "which a busy host may need for it")
	short("prepare_exec_timeout", c.PrepareExecTimeout, n.Prepare, "and by its settings prepare may take "+config.Duration(n.Prepare).String())
	short("cleanup_exec_timeout", c.CleanupExecTimeout, n.Cleanup, "and by cleanup.timeout cleanup may take "+config.Duration(n.Cleanup).String())
	if have := timeOr(c.GracefulKillTimeout, usualGracefulKill); have >= stageWait {
		remarks = append(remarks, Remark{
			false, fmt.Sprintf("%s: graceful_kill_timeout is %s, so cleanup may meet a script that still runs: the Runner waits %s before it", where, config.Duration(have), config.Duration(stageWait)),
			"set graceful_kill_timeout = 60 in [runners.custom]",
		})
	}
	return remarks
}

// Above returns a timeout in seconds for work of at most d: about a tenth more, in whole
// minutes.
func Above(d time.Duration) int {
	return int((d + d/10 + time.Minute).Truncate(time.Minute) / time.Second)
}

func timeOr(seconds int, otherwise time.Duration) time.Duration {
	if seconds <= 0 {
		return otherwise
	}
	return time.Duration(seconds) * time.Second
}

// ourFlags takes the program's own flags from the front of a hook's arguments.
func ourFlags(args []string) (settings string, rest []string) {
	for len(args) > 0 {
		name, value, joined := strings.Cut(args[0], "=")
		if name != "--settings" && name != "--trace" {
			break
		}
		args = args[1:]
		if !joined {
			if len(args) == 0 {
				return settings, []string{name}
			}
			value, args = args[0], args[1:]
		}
		if name == "--settings" {
			settings = value
		}
	}
	return settings, args
}

func orDefault(settings string) string {
	if settings == "" {
		return "the usual settings"
	}
	return settings
}

func withSettings(settings string) string {
	if settings == "" {
		return ""
	}
	return " --settings " + settings
}
