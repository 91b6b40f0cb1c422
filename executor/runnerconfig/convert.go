package runnerconfig

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/fault"
)

// Kind says what becomes of a key of a docker executor's section.
type Kind string

// The kinds.
const (
	Carried Kind = "carried"
	Differs Kind = "differs"
	Dropped Kind = "dropped"
)

// Note is what became of one key.
type Note struct {
	Kind      Kind
	Key, Text string
}

// Conversion is what a docker executor's section becomes.
type Conversion struct {
	Name, URL string
	// Section are keys that stay in the Runner's section.
	Section map[string]any
	// Settings is the text of dind.toml, "" where the defaults serve.
	Settings string
	Notes    []Note

	settings []setting
}

// setting is one key of dind.toml.
type setting struct {
	table, key string
	value      any
}

// notConverted are keys of a section that belong to another executor, or to
// another registration.
var notConverted = map[string]string{
	"name": "", "url": "", "id": "", "token": "", "token_obtained_at": "", "token_expires_at": "", "executor": "", "docker": "", "custom": "",
	"builds_dir": "sources are in /builds", "cache_dir": "caches are in /cache",
	"machine": "of another executor", "autoscaler": "of another executor", "instance": "of another executor", "ssh": "of another executor",
	"kubernetes": "of another executor", "parallels": "of another executor", "virtualbox": "of another executor",
	"use_slot_cgroups": "limits are in dind.toml", "slot_cgroup_template": "limits are in dind.toml",
	"proxy_exec": "of the docker executor", "step_runner_image": "of the docker executor",
}

// Convert reads the docker executor's section with a name, or the only one for
// "", and says what of it there is here.
func Convert(file string, src []byte, name string) (*Conversion, error) {
	var f struct {
		Runners []map[string]any `toml:"runners"`
	}
	if _, err := toml.Decode(string(src), &f); err != nil {
		return nil, broken(file, err)
	}
	section, err := pick(file, f.Runners, name)
	if err != nil {
		return nil, err
	}
	c := &Conversion{Name: text(section["name"]), URL: text(section["url"]), Section: map[string]any{}}
	for _, key := range slices.Sorted(maps.Keys(section)) {
		why, left := notConverted[key]
		switch {
		case key == "environment":
			c.environment(list(section[key]))
		case key == "shell" && text(section[key]) != "bash" && text(section[key]) != "sh":
			c.drop(key, "scripts are for bash or sh")
		case left && why != "":
			c.drop(key, why)
		case !left:
			c.Section[key] = section[key]
			c.note(Carried, key, "stays in the Runner's section")
		}
	}
	docker, _ := section["docker"].(map[string]any)
	c.docker(docker)
	if cache, ok := section["cache"].(map[string]any); ok && text(cache["Type"]) != "" {
		c.put("cache", "volume", false, "[runners.cache]", "caches are in the object storage, so none is cached on the host")
	}
	c.Settings = render(c.settings)
	return c, nil
}

func pick(file string, runners []map[string]any, name string) (map[string]any, error) {
	var found []map[string]any
	var names []string
	for _, r := range runners {
		if n := text(r["name"]); text(r["executor"]) == "docker" {
			names = append(names, n)
			if name == "" || n == name {
				found = append(found, r)
			}
		} else if name != "" && n == name {
			return nil, fault.System(fmt.Errorf("runner %q of %s has the executor %q", name, file, text(r["executor"])),
				"only the docker executor can be converted: its jobs run on this host's engine, as here")
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(names) == 0:
		return nil, fault.System(fmt.Errorf("%s has no runner with the docker executor", file), "gitlab-dind-executor register without --from prints a section")
	case len(found) == 0:
		return nil, fault.System(fmt.Errorf("%s has no runner %q", file, name), fmt.Sprintf("say which with --runner: %q", names))
	}
	return nil, fault.System(fmt.Errorf("%s has %d runners with the docker executor", file, len(found)), fmt.Sprintf("say which with --runner: %q", names))
}

func (c *Conversion) note(kind Kind, key, format string, args ...any) {
	c.Notes = append(c.Notes, Note{kind, key, fmt.Sprintf(format, args...)})
}

func (c *Conversion) drop(key, why string) { c.note(Dropped, key, "%s", why) }

// put takes a setting if the settings are valid with it, and says so with a
// reason; else it is dropped with what is wrong. It tells which.
func (c *Conversion) put(table, key string, value any, from, why string) bool {
	with := slices.DeleteFunc(slices.Clone(c.settings), func(s setting) bool { return s.table == table && s.key == key })
	with = append(with, setting{table, key, value})
	if _, err := config.Parse("", []byte(render(with))); err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		_, what, _ := strings.Cut(line, ": ") // behind the line, which nobody sees
		c.drop(from, "here it is no valid setting: "+what)
		return false
	}
	c.settings = with
	where := strings.TrimPrefix(table+"."+key, ".")
	if why != "" {
		why = ": " + why
	}
	c.note(Carried, from, "as %s%s", where, why)
	return true
}

// render writes settings as TOML, each table once.
func render(settings []setting) string {
	var tables []string
	keys := map[string][]string{}
	for _, s := range settings {
		if keys[s.table] == nil {
			tables = append(tables, s.table)
		}
		keys[s.table] = append(keys[s.table], s.key+" = "+value(s.value))
	}
	var parts []string
	for _, t := range tables {
		parts = append(parts, "["+t+"]\n"+strings.Join(keys[t], "\n")+"\n")
	}
	return strings.Join(parts, "\n")
}

// wired are variables that a job gets here, or must not have.
var wired = []string{"DOCKER_HOST", "DOCKER_TLS_CERTDIR", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}

// environment keeps what the Runner gives to all jobs, but for what would take
// the daemon's wiring apart.
func (c *Conversion) environment(entries []string) {
	var keep, names []string
	for _, e := range entries {
		name, _, _ := strings.Cut(e, "=")
		if slices.Contains(wired, name) {
			c.drop("environment "+name, "it is wired in, and this would be in the way")
			continue
		}
		keep, names = append(keep, e), append(names, name)
	}
	if len(keep) > 0 {
		c.Section["environment"] = keep
		c.note(Carried, "environment", "stays in the Runner's section: %s", strings.Join(names, ", "))
	}
}

// secretName is what the key of a secret looks like, or of a script, which often
// holds one.
var secretName = regexp.MustCompile(`(?i)key|secret|token|password|credential|sas|_script$`)

// Hidden are the keys of a section with a placeholder for each secret and script
// and for the value of each variable.
func Hidden(section map[string]any) map[string]any {
	hidden, _ := hide("", section).(map[string]any)
	return hidden
}

func hide(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, inner := range v {
			m[k] = hide(k, inner)
		}
		return m
	case []string:
		if key != "environment" {
			return v
		}
		out := make([]string, len(v))
		for i, e := range v {
			name, _, _ := strings.Cut(e, "=")
			out[i] = name + "=REPLACE-ME"
		}
		return out
	case string:
		if secretName.MatchString(key) && v != "" && !strings.HasSuffix(key, "file") && !strings.HasSuffix(key, "File") {
			return "REPLACE-ME"
		}
	}
	return v
}

// text is a value that is a string, else "".
func text(v any) string {
	s, _ := v.(string)
	return s
}

// list is a value that is a string or a list of strings; what is none is left
// out.
func list(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// tables is a value that is an array of tables, however it was written.
func tables(v any) []map[string]any {
	all, _ := v.([]map[string]any)
	if inline, ok := v.([]any); ok {
		for _, e := range inline {
			if m, ok := e.(map[string]any); ok {
				all = append(all, m)
			}
		}
	}
	return all
}

// unset tells a value that says nothing.
func unset(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return v == "" || v == false || v == int64(0)
}
