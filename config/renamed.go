package config

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/BurntSushi/toml"
)

// renamed maps former names of keys to today's, in the same table. Older files still serve,
// with a warning for each such key.
var renamed = map[string]string{
	"bundles.keep":        "max_age",
	"cleanup.keep_failed": "hold_failed",
}

// rename finds the field of a key under a former name. A table with both names is at fault:
// the two values may differ.
func (d *decoder) rename(key string, fields map[string]reflect.Value, keys map[string]toml.Primitive, path []string) (reflect.Value, bool) {
	now, known := renamed[dotted(path)]
	if !known {
		return reflect.Value{}, false
	}
	before, called := dotted(path), dotted(append(slices.Clone(path[:len(path)-1]), now))
	if _, both := keys[now]; both {
		d.add(before, "is "+called+" by its name of before, and this file has both: remove this one")
		return reflect.Value{}, true
	}
	line := lineOf(d.lines, before)
	note(d.lines, called, line) // for a fault of the value
	d.warnings = append(d.warnings, located{line, before, fmt.Errorf("%s is called %s now", d.at(line, before), called)})
	return fields[now], true
}
