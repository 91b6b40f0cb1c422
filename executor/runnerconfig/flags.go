package runnerconfig

import (
	"strconv"
	"strings"

	"gitlab-dind-executor/executor/featureflags"
)

// flags converts [runners.feature_flags], flag by flag. Flags with a meaning here stay in
// the section.
func (c *Conversion) flags(key string, v any) {
	table, ok := v.(map[string]any)
	if !ok {
		c.drop(key, "it is no table")
		return
	}
	kept := map[string]any{}
	for _, name := range sorted(table) {
		on, isBool := table[name].(bool)
		from := key + " " + name
		f, known := featureflags.Known(name)
		stays := place{runner, key, kept}
		switch {
		case !isBool:
			c.drop(from, "it is neither true nor false")
			continue
		case !known:
			c.lines = append(c.lines, line{Differs, from, "stays in the Runner's section; this program does not know it", &stays})
		case f.Answer == featureflags.Foreign:
			c.drop(from, f.Text)
			continue
		case f.Answer == featureflags.Lacking:
			c.drop(from, f.Text)
			continue
		case f.Answer == featureflags.Always && !on:
			c.differs(from, "%s", f.Text)
			continue
		case f.Answer == featureflags.Honoured:
			c.lines = append(c.lines, line{Carried, from, "stays in the Runner's section, which tells of it from GitLab Runner 18.4 on", &stays})
		default:
			c.lines = append(c.lines, line{Carried, from, "stays in the Runner's section", &stays})
		}
		kept[name] = on
	}
	if len(kept) > 0 {
		c.Section[key] = kept
	}
}

// flagsOfJobs reports flags among the variables for all jobs.
func (c *Conversion) flagsOfJobs(key string, entries []string) {
	for _, e := range entries {
		name, v, _ := strings.Cut(e, "=")
		on, err := strconv.ParseBool(v)
		if f, known := featureflags.Known(name); known && f.Answer == featureflags.Lacking && err == nil && on != f.Default {
			c.differs(key+" "+name, "stays in the Runner's section, and changes nothing here: %s", f.Text)
		}
	}
}
