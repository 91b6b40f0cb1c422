package runnerconfig

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/BurntSushi/toml"
)

// New is a section that calls this program.
type New struct {
	Name, URL, Token string
	// Exec is this program's path. Settings is the settings file in its arguments, "" for
	// none.
	Exec, Settings string
	// Needs determine the timeouts.
	Needs Needs
	// Carried are further keys of the section, such as environment and cache.
	Carried map[string]any
}

// entry is a key of [runners.custom].
type entry struct {
	key   string
	value any // string, []string or int
}

// entries returns the content of [runners.custom], in the Runner's own order.
func (n New) entries() []entry {
	var list []entry
	for _, hook := range []string{"config", "prepare", "run", "cleanup"} {
		args := []string{hook}
		if n.Settings != "" {
			args = []string{"--settings", n.Settings, hook}
		}
		list = append(list, entry{hook + "_exec", n.Exec}, entry{hook + "_args", args})
		switch hook {
		case "config":
			list = append(list, entry{"config_exec_timeout", 60})
		case "prepare":
			list = append(list, entry{"prepare_exec_timeout", Above(n.Needs.Prepare)})
		case "cleanup":
			list = append(list, entry{"cleanup_exec_timeout", max(300, Above(n.Needs.Cleanup))})
		}
	}
	return append(list, entry{"graceful_kill_timeout", 60}, entry{"force_kill_timeout", 30})
}

// Text returns the section as TOML.
func (n New) Text() (string, error) {
	keys, tables, err := encodeCarried(withDefaults(n.Carried))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("[[runners]]\n")
	for _, e := range []entry{{"name", n.Name}, {"url", n.URL}, {"token", n.Token}, {"executor", "custom"}} {
		fmt.Fprintf(&b, "  %s = %s\n", e.key, value(e.value))
	}
	b.WriteString(keys)
	b.WriteString("  [runners.custom]\n")
	for _, e := range n.entries() {
		fmt.Fprintf(&b, "    %s = %s\n", e.key, value(e.value))
	}
	b.WriteString(tables)
	return b.String(), nil
}

// requestConcurrency is the number of jobs that the Runner asks for at once. With its own
// default of 1, jobs that come together start one after the other, and the Runner warns.
const requestConcurrency = 4

// withDefaults returns the keys of a new section besides hooks and names.
func withDefaults(carried map[string]any) map[string]any {
	all := map[string]any{"request_concurrency": requestConcurrency}
	maps.Copy(all, asDockers(carried))
	return all
}

// asDockers adds to a section's keys the docker executor's implicit settings, which the
// custom executor lacks. Pipelines may set GIT_CLONE_PATH, and git in the helper trusts the
// project's directory, whoever owns it.
func asDockers(section map[string]any) map[string]any {
	all := map[string]any{"safe_directory_checkout": true}
	maps.Copy(all, section)
	build, isTable := all["custom_build_dir"].(map[string]any)
	if isTable || all["custom_build_dir"] == nil {
		enabled := map[string]any{"enabled": true}
		maps.Copy(enabled, build)
		all["custom_build_dir"] = enabled
	}
	return all
}

// encodeCarried writes further keys of a section. tables has the keys that are tables.
func encodeCarried(carried map[string]any) (keys, tables string, err error) {
	if len(carried) == 0 {
		return "", "", nil
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(map[string]any{"runners": []map[string]any{carried}}); err != nil {
		return "", "", fmt.Errorf("writing what carries over: %w", err)
	}
	_, text, _ := strings.Cut(b.String(), "[[runners]]\n")
	if i := strings.Index("\n"+text, "\n  ["); i >= 0 {
		return text[:i], text[i:], nil
	}
	return text, "", nil
}
