package runnerconfig

import (
	"regexp"
	"strings"
)

// secretName is what the key of a secret looks like, or of a script, which often
// holds one.
var secretName = regexp.MustCompile(`(?i)key|secret|token|password|credential|sas|_script$`)

// Hidden are the keys of a section with a placeholder for each secret and script
// and for the value of each variable.
func Hidden(section map[string]any) map[string]any {
	hidden, _ := hide("", section).(map[string]any)
	return hidden
}

// hidden are tables with such placeholders.
func hidden(all []map[string]any) (shown []map[string]any) {
	for _, table := range all {
		shown = append(shown, Hidden(table))
	}
	return shown
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
