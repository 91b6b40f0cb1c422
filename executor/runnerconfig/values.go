package runnerconfig

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// value writes a value as TOML.
func value(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case []string:
		parts := make([]string, len(v))
		for i, s := range v {
			parts[i] = quote(s)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]string:
		parts := make([]string, 0, len(v))
		for _, key := range sorted(v) {
			parts = append(parts, quote(key)+" = "+quote(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range sorted(v) {
			parts = append(parts, quote(key)+" = "+value(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []map[string]any:
		parts := make([]string, len(v))
		for i, m := range v {
			parts[i] = value(m)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// quote writes a string as a basic string of TOML, whose escapes differ from Go's.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// text returns a string, or "" for a value of another type.
func text(v any) string {
	s, _ := v.(string)
	return s
}

// list returns a string, or the strings of a list. Values of other types are left out.
func list(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

// onlyStrings tells whether a value is a list of strings alone.
func onlyStrings(v any) bool {
	all, ok := v.([]any)
	return ok && len(list(v)) == len(all)
}

// pairs returns a table of strings. ok is false for any other value.
func pairs(v any) (all map[string]string, ok bool) {
	m, ok := v.(map[string]any)
	all = map[string]string{}
	for key, e := range m {
		s, isText := e.(string)
		ok = ok && isText
		all[key] = s
	}
	return all, ok
}

// tables returns an array of tables, in either notation of TOML.
func tables(v any) []map[string]any {
	all, _ := v.([]map[string]any)
	if inline, ok := v.([]any); ok {
		for _, e := range inline {
			if m, ok := e.(map[string]any); ok {
				all = append(all, m)
			}
		}
	}
	return all
}

// unset tells whether a value is empty.
func unset(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	case []map[string]any:
		return len(v) == 0
	}
	return v == nil || v == "" || v == false || v == int64(0) || v == float64(0)
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// render writes settings as TOML, each table once.
func render(settings []place) string {
	var tables, parts, last []string
	keys := map[string][]string{}
	for _, s := range settings {
		if all, ok := s.value.([]map[string]any); ok {
			last = append(last, arrayOfTables(s.key, all)...)
			continue
		}
		if keys[s.table] == nil {
			tables = append(tables, s.table)
		}
		keys[s.table] = append(keys[s.table], s.key+" = "+value(s.value))
	}
	for _, t := range tables {
		parts = append(parts, "["+t+"]\n"+strings.Join(keys[t], "\n")+"\n")
	}
	return strings.Join(append(parts, last...), "\n")
}

// arrayOfTables writes an array of tables, [[key]].
func arrayOfTables(key string, all []map[string]any) (parts []string) {
	for _, table := range all {
		text := "[[" + key + "]]\n"
		for _, k := range sorted(table) {
			text += k + " = " + value(table[k]) + "\n"
		}
		parts = append(parts, text)
	}
	return parts
}
