package runnerconfig

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/executor/featureflags"
)

// Conversion is the result of converting a docker executor's section.
type Conversion struct {
	// Name is the section's name for a person, and NewName the new section's default name.
	Name, NewName, URL string
	// Section are keys that stay in the Runner's section.
	Section map[string]any
	// Settings is the text of dind.toml, "" where the defaults serve.
	Settings string
	// Shown is Settings with a placeholder for each text that Hidden hides.
	Shown string
	// networkPerBuild tells whether the Runner makes a network for each job.
	networkPerBuild bool

	settings []place
	lines    []line
}

// notConverted are keys of a section that belong to another executor, or to another
// registration. The values are the reasons.
var notConverted = map[string]string{
	"id": "of the old registration", "token": "of the old registration", "token_obtained_at": "of the old registration", "token_expires_at": "of the old registration",
	"builds_dir": "sources are in /builds", "cache_dir": "caches are in /cache",
	"machine": "of another executor", "autoscaler": "of another executor", "instance": "of another executor", "ssh": "of another executor",
	"kubernetes": "of another executor", "parallels": "of another executor", "virtualbox": "of another executor", "custom": "of another executor",
	"use_slot_cgroups": "limits are in dind.toml", "slot_cgroup_template": "limits are in dind.toml",
	"proxy_exec": "of the docker executor", "step_runner_image": "of the docker executor",
	"referees": "of the docker executor",
}

// Convert reads a docker executor's section by its name, by its number as #2, or the only
// section for "". The result says what becomes of each key.
func Convert(file string, src []byte, name string) (*Conversion, error) {
	runners, err := sections(file, src)
	if err != nil {
		return nil, err
	}
	i, err := pick(file, runners, name)
	if err != nil {
		return nil, err
	}
	section := runners[i]
	old, next := called(runners, i)
	c := &Conversion{Name: old, NewName: next, URL: text(section["url"]), Section: map[string]any{}}
	for _, key := range sorted(section) {
		c.sectionKey(key, section[key])
	}
	for _, key := range sorted(asDockers(nil)) {
		if _, told := section[key]; !told {
			c.keep(key, asDockers(nil)[key], "written out, since the docker executor has it without, and the custom executor has not")
		}
	}
	docker, isTable := section["docker"].(map[string]any)
	if _, set := section["docker"]; set && !isTable {
		c.drop("docker", "it is no table")
	}
	docker = lowered(docker)
	c.networkPerBuild = flagged(section, featureflags.NetworkPerBuild)
	c.docker(docker)
	if cache, ok := section["cache"].(map[string]any); ok && text(folded(cache, "Type")) != "" {
		c.put("cache", "volume", false, "cache Type", "caches are in the object storage, so none is cached on the host")
	}
	c.finish(docker)
	c.Settings = render(c.settings)
	shown := slices.Clone(c.settings)
	for i, s := range shown {
		shown[i].value = hide(s.key, s.value)
	}
	c.Shown = render(shown)
	return c, nil
}

// sections returns the [[runners]] of a config.toml, their keys in lower case.
func sections(file string, src []byte) ([]map[string]any, error) {
	var f struct {
		Runners []map[string]any `toml:"runners"`
	}
	if _, err := toml.Decode(string(src), &f); err != nil {
		return nil, broken(file, err)
	}
	for i, r := range f.Runners {
		f.Runners[i] = lowered(r)
	}
	return f.Runners, nil
}

// flagged tells whether the Runner has a feature flag on for all jobs. The Runner's own
// table comes before the jobs' variables.
func flagged(section map[string]any, flag string) bool {
	flags, _ := section["feature_flags"].(map[string]any)
	if on, set := flags[flag].(bool); set {
		return on
	}
	return slices.ContainsFunc(list(section["environment"]), func(e string) bool {
		name, v, _ := strings.Cut(e, "=")
		on, err := strconv.ParseBool(v)
		return name == flag && err == nil && on
	})
}

// sectionKey converts a key beside [runners.docker].
func (c *Conversion) sectionKey(key string, v any) {
	why, known := notConverted[key]
	switch {
	case key == "docker":
	case key == "name":
		c.differs(key, "two sections need two names")
	case key == "executor":
		c.differs(key, "custom, which calls this program")
	case key == "url":
		c.lines = append(c.lines, line{Carried, key, "stays in the Runner's section", &place{runner, key, v}})
	case known:
		c.drop(key, why)
	case key == "environment":
		c.environment(list(v))
		c.flagsOfJobs(key, list(v))
	case key == "feature_flags":
		c.flags(key, v)
	case key == "custom_build_dir":
		c.keep(key, asDockers(map[string]any{key: v})[key], "stays in the Runner's section")
	case key == "shell" && text(v) != "bash" && text(v) != "sh" && text(v) != "":
		c.drop(key, "scripts are for bash or sh")
	default:
		c.keep(key, v, "stays in the Runner's section")
	}
}

// lowered returns a table with its keys in lower case: the Runner ignores the case of keys.
func lowered(table map[string]any) map[string]any {
	out := map[string]any{}
	for _, key := range sorted(table) { // lower case comes last, and wins
		out[strings.ToLower(key)] = table[key]
	}
	return out
}

// folded returns the value of a key of a table, in any case.
func folded(table map[string]any, key string) any {
	for k, v := range table {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	return nil
}

// wired are variables that a job gets here, or must not have.
var wired = []string{"DOCKER_HOST", "DOCKER_TLS_CERTDIR", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}

// environment keeps the variables for all jobs, without those that would break the wiring
// of the job's daemon.
func (c *Conversion) environment(entries []string) {
	var keep, names []string
	for i, e := range entries {
		name, _, ok := strings.Cut(e, "=")
		if !ok { // the entry may be a bare value
			c.drop("environment", fmt.Sprintf("entry %d is no NAME=VALUE", i+1))
			continue
		}
		if slices.Contains(wired, name) {
			c.drop("environment "+name, "it is wired in, and this would be in the way")
			continue
		}
		keep, names = append(keep, e), append(names, name)
	}
	if len(keep) > 0 {
		c.keep("environment", keep, "stays in the Runner's section: "+strings.Join(names, ", "))
	}
}
