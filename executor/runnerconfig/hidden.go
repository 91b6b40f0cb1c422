package runnerconfig

import (
	"regexp"
	"slices"
	"strings"
)

// hiddenValue stands for what is not shown.
const hiddenValue = "REPLACE-ME"

// secretName is what the key of a secret looks like, or of a script, which often
// holds one.
var secretName = regexp.MustCompile(`(?i)key|secret|token|pass|credential|authorization|sas|_script$`)

// commands are keys of a service whose values are words of a script.
var commands = []string{"command", "entrypoint"}

// account is what stands before the host in an address, often with a password.
var account = regexp.MustCompile(`://[^/\s"]*@`)

// Shown is a section as a person may see it: without its token, and as Hidden has the
// rest.
func (n New) Shown() New {
	n.Token, n.URL, n.Carried = Placeholder, hideText(n.URL), Hidden(n.Carried)
	return n
}

// Hidden are the keys of a section with a placeholder for each secret, script and
// command, for the account in an address, and for the value of each variable.
func Hidden(section map[string]any) map[string]any {
	hidden, _ := hide("", section).(map[string]any)
	return hidden
}

// hide is for a value under a key, in each shape that a section or settings have.
func hide(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, inner := range v {
			m[k] = hide(under(key, k), inner)
		}
		return m
	case map[string]string:
		m := map[string]string{}
		for k, inner := range v {
			m[k], _ = hide(under(key, k), inner).(string)
		}
		return m
	case []map[string]any:
		tables := make([]map[string]any, len(v))
		for i, one := range v {
			tables[i], _ = hide(key, one).(map[string]any)
		}
		return tables
	case []any:
		all := make([]any, len(v))
		for i, one := range v {
			all[i] = hide(key, one)
		}
		return all
	case []string:
		if len(v) > 0 && slices.Contains(commands, key) {
			return []string{hiddenValue}
		}
		texts := make([]string, len(v))
		for i, one := range v {
			texts[i], _ = hide(key, one).(string)
		}
		return texts
	case string:
		switch {
		case v == "" || isFile(key):
		case secretName.MatchString(key):
			return hiddenValue
		case strings.EqualFold(key, "environment"):
			name, _, _ := strings.Cut(v, "=")
			return name + "=" + hiddenValue
		case key == "arguments":
			return hideFlag(v)
		}
		return hideText(v)
	}
	return v
}

// under is the key of what is below another. All is secret below a secret's.
func under(above, key string) string {
	if secretName.MatchString(above) && !isFile(above) {
		return above
	}
	return key
}

// isFile tells the key of a path.
func isFile(key string) bool { return strings.HasSuffix(strings.ToLower(key), "file") }

// hideText is for what is shown but for the account in an address.
func hideText(v string) string { return account.ReplaceAllString(v, "://"+hiddenValue+"@") }

// hideFlag is for a flag of dockerd, as --log-opt=splunk-token=VALUE.
func hideFlag(v string) string {
	for i := range v {
		if v[i] == '=' && secretName.MatchString(v[:i]) {
			return v[:i+1] + hiddenValue
		}
	}
	return hideText(v)
}
