package local

import (
	"os"
	"path"
	"slices"
	"strconv"
)

// variables is the job's list of variables, in GitLab's order. Of several with the same
// key, the last counts.
type variables []Variable

// tempDirKey is the folder next to the project that holds file variables.
const tempDirKey = "RUNNER_TEMP_PROJECT_DIR"

// value returns the value of key, a file variable's content, or "".
func (v variables) value(key string) string {
	for _, x := range slices.Backward(v) {
		if x.Key == key {
			return x.Value
		}
	}
	return ""
}

// lookup returns the value of $key in another variable's value. A file variable is its
// path, $$ is a dollar, and the shell's own parameters are empty.
func (v variables) lookup(key string) string {
	switch key {
	case "$":
		return "$"
	case "*", "#", "@", "!", "?", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9":
		return ""
	}
	for _, x := range slices.Backward(v) {
		if x.Key == key && x.File {
			return path.Join(v.value(tempDirKey), key)
		}
		if x.Key == key {
			return x.Value
		}
	}
	return ""
}

// expandValue replaces $NAME and ${NAME} in s once, not in the inserted values.
func (v variables) expandValue(s string) string { return os.Expand(s, v.lookup) }

// expand replaces references in all values that are not raw.
func (v variables) expand() variables {
	out := slices.Clone(v)
	for i := range out {
		if !out[i].Raw {
			out[i].Value = v.expandValue(out[i].Value)
		}
	}
	return out
}

// masked returns the values that the log must not show.
func (v variables) masked() []string {
	var out []string
	for _, x := range v {
		if x.Masked {
			out = append(out, x.Value)
		}
	}
	return out
}

// boolean returns key's value as a bool, or def for any other value.
func (v variables) boolean(key string, def bool) bool {
	if b, err := strconv.ParseBool(v.value(key)); err == nil {
		return b
	}
	return def
}

// number returns key's value as a number, or def for any other value.
func (v variables) number(key string, def int) int {
	if n, err := strconv.Atoi(v.value(key)); err == nil {
		return n
	}
	return def
}
