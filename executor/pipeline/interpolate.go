package pipeline

import (
	"bytes"
	"strconv"
	"strings"

	"gitlab-dind-executor/pattern"
)

const (
	// maxBlocks and maxFunctions bound the blocks between $[[ and ]] and their functions,
	// as in GitLab.
	maxBlocks    = 10_000
	maxFunctions = 3
	// maxInterpolated bounds a file with the values of its inputs, in bytes.
	maxInterpolated = 4 << 20
)

var (
	block    = pattern.New(`\$\[\[\s*(\S.*?\S)\s*\]\]`)
	truncate = pattern.New(`^truncate\(\s*(\d+)\s*,\s*(\d+)\s*\)?$`)
	unescape = pattern.New(`[^A-Za-z0-9_\-.,:+/@\n]`)
)

// interpolate puts the values of inputs into a text.
func (r *reader) interpolate(name string, text []byte, values map[string]inputValue) ([]byte, error) {
	var out strings.Builder
	from, line := 0, 1
	known := map[string]string{}
	for _, m := range block.Regexp().FindAllSubmatchIndex(text, -1) {
		data := string(text[m[2]:m[3]])
		line += bytes.Count(text[from:m[0]], []byte("\n"))
		value, done := known[data]
		if !done {
			if len(known) == maxBlocks {
				return nil, faultAt(name, 1, "GitLab takes no more", "there are more than %d blocks in it", maxBlocks)
			}
			var err error
			if value, err = r.block(&node{file: name, line: line}, data, values); err != nil {
				return nil, err
			}
			known[data] = value
		}
		if value == keep {
			value = string(text[m[0]:m[1]])
		}
		out.Write(text[from:m[0]])
		out.WriteString(value)
		if from = m[1]; out.Len() > maxInterpolated {
			return nil, faultAt(name, 1, "look for an input that stands there often", "with its inputs the file is too large")
		}
	}
	out.Write(text[from:])
	return []byte(out.String()), nil
}

// keep is the value of a block that stays unchanged.
const keep = "\x00"

// block returns the value of a block: an input's value after some functions.
func (r *reader) block(at *node, data string, values map[string]inputValue) (string, error) {
	if err := r.count(at); err != nil {
		return "", err
	}
	parts := strings.Split(data, "|")
	access := strings.TrimSpace(parts[0])
	if context, _, _ := strings.Cut(access, "."); context == "matrix" {
		return keep, nil
	}
	key, ofInputs := strings.CutPrefix(access, "inputs.")
	v, known := values[key]
	switch {
	case !ofInputs || !known:
		return "", at.faultf("name an input of the file's spec, such as $[[ inputs.stage ]]", "there is no %s", access)
	case len(parts)-1 > maxFunctions:
		return "", at.faultf("GitLab takes no more", "there are more than %d functions", maxFunctions)
	}
	for _, f := range parts[1:] {
		var err error
		if v, err = r.function(at, strings.TrimSpace(f), v); err != nil {
			return "", err
		}
	}
	if strings.Contains(v.text, "\x00") {
		return "", at.faultf("GitLab does not take it either", "there is a byte 0 in an input")
	}
	return v.text, nil
}

// function applies one of GitLab's functions to a value.
func (r *reader) function(at *node, f string, v inputValue) (inputValue, error) {
	cut := truncate.FindStringSubmatch(f)
	switch {
	case f != "expand_vars" && f != "posix_escape" && cut == nil:
		return v, at.faultf("expand_vars, truncate(from,length) or posix_escape", "there is no function %s", f)
	case !v.isText:
		return v, at.faultf("its type is string", "%s is for text", f)
	case f == "expand_vars":
		var whole bool
		if v.text, _, whole = r.scopeOf().expandOnce(v.text); !whole {
			return v, at.faultf("look for a variable that stands there often", "with its variables an input is too long")
		}
	case f == "posix_escape":
		if v.text == "" {
			v.text = "''"
			break
		}
		v.text = strings.ReplaceAll(unescape.ReplaceAllString(v.text, `\$0`), "\n", "'\n'")
	default:
		offset, err := strconv.Atoi(cut[1])
		length, err2 := strconv.Atoi(cut[2])
		letters := []rune(v.text)
		if err != nil || err2 != nil || offset > len(letters) {
			v.text = ""
			break
		}
		letters = letters[offset:]
		v.text = string(letters[:min(length, len(letters))])
	}
	return v, nil
}
