package runnerconfig

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/config"
)

// The report says what became of each key of a docker executor's section. The
// report is made when all keys have been read, from the result alone. A converter
// names the place of a key's value, in the settings or in the Runner's section.
// The report looks there, and says so if the place has another value. Nothing
// else can make a line with the word carried.
//
// How to add a key of [runners.docker]:
//
//  1. Add its setting, if it has one, to package config.
//  2. Add a line to dockerKeys (docker.go): as for a setting with the same
//     meaning, near for a setting with another meaning, without for no setting.
//     A function for the key calls put, putNear, holds, holdsNear, differs and drop.
//  3. Add a row to meanings (meaning_test.go), which checks for a value of the key
//     whether settings mean the same. A test fails for a carried key without a row.

// Kind says what becomes of a key of a docker executor's section.
type Kind string

// The kinds, in the order of the report.
const (
	Carried Kind = "carried"
	Differs Kind = "differs"
	Dropped Kind = "dropped"
	// Unset is for keys without a meaning in either program.
	Unset Kind = "unset"
)

// Kinds lists all kinds.
var Kinds = []Kind{Carried, Differs, Dropped, Unset}

// Note says what became of a key.
type Note struct {
	Kind      Kind
	Key, Text string
}

// result is the outcome of a conversion.
type result struct {
	section  map[string]any
	settings config.Settings
}

// line is a converter's statement about a key. Without a place the statement needs no
// check.
type line struct {
	kind      Kind
	key, text string
	at        *place
}

// place is the expected place of a value: a key of a table of the settings or, for the
// table runner, of the Runner's section.
type place struct {
	table, key string
	value      any
}

// runner is the table of places in the Runner's own section.
const runner = "[[runners]]"

func (p place) where() string {
	if p.table == runner {
		return p.key
	}
	return strings.TrimPrefix(p.table+"."+p.key, ".")
}

// Report says what became of each key. section is the section in the Runner's config.toml
// that now calls this program.
func (c *Conversion) Report(section map[string]any) ([]Note, error) {
	settings, err := config.Parse("dind.toml", []byte(c.Settings))
	if err != nil {
		return nil, err
	}
	r := result{lowered(section), settings}
	notes := make([]Note, len(c.lines))
	for i, l := range c.lines {
		notes[i] = Note{l.kind, l.key, l.text}
		if l.at != nil && !r.has(*l.at) {
			notes[i] = Note{Dropped, l.key, c.instead(r, *l.at)}
		}
	}
	return notes, nil
}

// ReportOf is Report for the section with a name, in the text of a config.toml.
func (c *Conversion) ReportOf(file string, src []byte, name string) ([]Note, error) {
	runners, err := sections(file, src)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(runners, func(r map[string]any) bool { return text(r["name"]) == name })
	if i < 0 {
		return nil, fmt.Errorf("%s has no runner %q", file, name)
	}
	return c.Report(runners[i])
}

// instead says what stands in the place of a value.
func (c *Conversion) instead(r result, p place) string {
	if p.table == runner {
		if _, there := r.section[p.key]; there {
			return "the section that is there has a value of its own"
		}
		return "the section that is there has none, and gets its hooks alone"
	}
	for _, l := range slices.Backward(c.lines) {
		if l.at != nil && l.at.table == p.table && l.at.key == p.key && r.has(*l.at) {
			return fmt.Sprintf("%s is %s, as %s wants it", p.where(), value(hide(p.key, l.at.value)), l.key)
		}
	}
	return p.where() + " has another value"
}

// has tells whether a value is in its place.
func (r result) has(p place) bool {
	if p.table == runner {
		found, there := r.section[p.key]
		return there && reflect.DeepEqual(asRead(found), asRead(p.value))
	}
	found, ok := field(reflect.ValueOf(r.settings), keyPath(p.where()))
	if !ok {
		return false
	}
	// The library decodes the value in the same way as the settings.
	wanted := reflect.New(reflect.MapOf(reflect.TypeFor[string](), found.Type()))
	if _, err := toml.Decode("v = "+value(p.value), wanted.Interface()); err != nil {
		return false
	}
	return same(found, wanted.Elem().MapIndex(reflect.ValueOf("v")))
}

// same tells whether two values of a setting are equal; an empty list equals a missing
// list.
func same(a, b reflect.Value) bool {
	if k := a.Kind(); (k == reflect.Slice || k == reflect.Map) && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// asRead returns a value in the form in which the library reads values.
func asRead(v any) any {
	var b bytes.Buffer
	var back map[string]any
	if err := toml.NewEncoder(&b).Encode(map[string]any{"v": v}); err != nil {
		return nil
	}
	if _, err := toml.Decode(b.String(), &back); err != nil {
		return nil
	}
	return back["v"]
}

// keyPath splits a dotted key, with quotes as in TOML.
func keyPath(dotted string) []string {
	md, err := toml.Decode(dotted+" = 0", &map[string]any{})
	if keys := md.Keys(); err == nil && len(keys) > 0 {
		return keys[len(keys)-1]
	}
	return nil
}

// field finds a setting by its names in TOML.
func field(v reflect.Value, path []string) (reflect.Value, bool) {
	for _, name := range path {
		switch v.Kind() {
		case reflect.Struct:
			fields := config.Fields(v.Type())
			i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("toml") == name })
			if i < 0 {
				return reflect.Value{}, false
			}
			v = v.FieldByIndex(fields[i].Index)
		case reflect.Map:
			if v = v.MapIndex(reflect.ValueOf(name)); !v.IsValid() {
				return reflect.Value{}, false
			}
		default:
			return reflect.Value{}, false
		}
	}
	return v, len(path) > 0
}

// differs notes a key whose meaning here is another.
func (c *Conversion) differs(key, format string, args ...any) {
	c.lines = append(c.lines, line{Differs, key, fmt.Sprintf(format, args...), nil})
}

// drop notes a key without any effect here, and the reason.
func (c *Conversion) drop(key, why string) {
	c.lines = append(c.lines, line{Dropped, key, why, nil})
}

// keep leaves a key in the Runner's section.
func (c *Conversion) keep(key string, v any, text string) {
	c.Section[key] = v
	c.lines = append(c.lines, line{Carried, key, text, &place{runner, key, v}})
}

// holds notes a key whose value the settings have by default. holdsNear notes a key with a
// similar default.
func (c *Conversion) holds(table, key string, v any, from, text string) {
	c.lines = append(c.lines, line{Carried, from, text, &place{table, key, v}})
}

func (c *Conversion) holdsNear(table, key string, v any, from, text string) {
	c.lines = append(c.lines, line{Differs, from, text, &place{table, key, v}})
}

// put adds a setting of the same meaning, and reports success. If the settings would not be
// valid, the key is dropped with the fault.
func (c *Conversion) put(table, key string, v any, from, why string) bool {
	return c.set(Carried, place{table, key, v}, from, why)
}

// putNear adds a setting of a slightly different meaning.
func (c *Conversion) putNear(table, key string, v any, from, why string) bool {
	return c.set(Differs, place{table, key, v}, from, why)
}

func (c *Conversion) set(kind Kind, p place, from, why string) bool {
	with := c.settled(p)
	if _, err := config.Parse("", []byte(render(with))); err != nil {
		c.drop(from, "here it is no valid setting: "+firstFault(err))
		return false
	}
	c.settings = with
	if why != "" {
		why = ": " + why
	}
	c.lines = append(c.lines, line{kind, from, "as " + p.where() + why, &p})
	return true
}

// settled returns the settings so far, with a new value for p's key.
func (c *Conversion) settled(p place) []place {
	with := slices.DeleteFunc(slices.Clone(c.settings), func(s place) bool { return s.table == p.table && s.key == p.key })
	return append(with, p)
}

// firstFault returns the first fault of settings, without its line number, which has no
// meaning for people.
func firstFault(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	_, what, _ := strings.Cut(first, ": ")
	return what
}

// mentioned tells whether a line is about a key or about a part of it.
func (c *Conversion) mentioned(key string) bool {
	return slices.ContainsFunc(c.lines, func(l line) bool { return l.key == key || strings.HasPrefix(l.key, key+" ") })
}

// finish adds a line for each key without a line.
func (c *Conversion) finish(keys map[string]any) {
	for _, key := range sorted(keys) {
		switch {
		case c.mentioned(key):
		case unset(keys[key]):
			c.lines = append(c.lines, line{Unset, key, "as there, nothing is set", nil})
		default:
			c.drop(key, "nothing of it is here")
		}
	}
}
