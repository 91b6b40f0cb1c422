package pipeline

import (
	"regexp"
	"strings"
)

// VariableNamed is a variable's name in a text, as GitLab finds it, or $$ or %%,
// which stay as they are.
var VariableNamed = regexp.MustCompile(`\$\$|%%|\$([A-Za-z_]\w*)|\$\{([A-Za-z_]\w*)\}|%([A-Za-z_]\w*)%`)

// ReplaceNamed puts values in the place of the variables that a text names, as long
// as they have no more than most bytes together. What has no value stays. It is cut
// short, and not whole, where there are more.
func ReplaceNamed(text string, most int, value func(named, key string) (string, bool)) (out string, whole bool) {
	whole = true
	out = VariableNamed.ReplaceAllStringFunc(text, func(named string) string {
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
