package pipeline

import (
	"strings"

	"gitlab-dind-executor/pattern"
)

// VariableNamed is a variable's name in a text, as GitLab finds names, or $$ or %%, which
// stay as they are.
var VariableNamed = pattern.New(`\$\$|%%|\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}|%([A-Za-z_]\w*)%`)

// ReplaceNamed replaces the variables in a text by their values, up to most bytes of values
// together. Variables without a value stay. Beyond the bound the text is cut short, and
// whole is false.
func ReplaceNamed(text string, most int, value func(named, key string) (string, bool)) (out string, whole bool) {
	whole = true
	out = VariableNamed.Regexp().ReplaceAllStringFunc(text, func(named string) string {
		key := strings.Trim(named, "${}%")
		if key == "" {
			return named
		}
		v, set := value(named, key)
		if !set {
			return named
		}
		if len(v) > most {
			v, whole = v[:most], false
		}
		most -= len(v)
		return v
	})
	return out, whole
}
