package runnerconfig

import (
	"slices"
	"strings"

	"gitlab-dind-executor/pattern"
)

// hiddenValue stands in the place of a hidden value.
const hiddenValue = "REPLACE-ME"

// secretName matches keys of secrets, and of scripts, which often hold secrets.
var secretName = pattern.New(`(?i)key|secret|token|pass|credential|authorization|sas|_script$`)

// commands are keys of a service whose values are words of a script.
var commands = []string{"command", "entrypoint"}

// account matches the part before the host in an address, often with a password.
var account = pattern.New(`://[^/\s"]*@`)

// Shown returns a section for people: without its token, and with the rest as by Hidden.
func (n New) Shown() New {
	n.Token, n.URL, n.Carried = Placeholder, hideText(n.URL), Hidden(n.Carried)
	return n
}

// Hidden returns the keys of a section with placeholders. Each secret, script and command,
// the account in an address, and the value of each variable has a placeholder.
func Hidden(section map[string]any) map[string]any {
	hidden, _ := hide("", section).(map[string]any)
	return hidden
}

// hide hides a value under a key, in each shape that a section or settings have.
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

// under returns the key for the judgement of a nested value. Everything below a secret's
// key is secret.
func under(above, key string) string {
	if secretName.MatchString(above) && !isFile(above) {
		return above
	}
	return key
}

// isFile tells the key of a path.
func isFile(key string) bool { return strings.HasSuffix(strings.ToLower(key), "file") }

// hideText hides the account in an address, and nothing else.
func hideText(v string) string { return account.ReplaceAllString(v, "://"+hiddenValue+"@") }

// hideFlag hides the value of a flag of dockerd, as --log-opt=splunk-token=VALUE.
func hideFlag(v string) string {
	for i := range v {
		if v[i] == '=' && secretName.MatchString(v[:i]) {
			return v[:i+1] + hiddenValue
		}
	}
	return hideText(v)
}
