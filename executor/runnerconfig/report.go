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

// The report says what became of each key of a docker executor's section. It is
// made when all keys have been read, and of the result alone. A converter says
// where the value of a key should be found, in the settings or in the Runner's
// section. The report looks there, and where another value stands it says so.
// Nothing else can make a line that says carried.
//
// How a key of [runners.docker] is added:
//
//  1. Its setting comes to package config, if it has one.
//  2. A line in dockerKeys (docker.go) says what becomes of it: as for a setting with
//     the same meaning, near for one whose meaning differs, without for no setting.
//     A function of one's own calls put, putNear, holds, holdsNear, differs and drop.
//  3. A row in meanings (meaning_test.go) says for a value of the key whether
//     settings mean the same. A test fails for a key that is carried without one.

// Kind says what becomes of a key of a docker executor's section.
type Kind string

// The kinds, in the order in which they are told.
const (
	Carried Kind = "carried"
	Differs Kind = "differs"
	Dropped Kind = "dropped"
	// Unset says nothing in either.
	Unset Kind = "unset"
)

// Kinds are all of them.
var Kinds = []Kind{Carried, Differs, Dropped, Unset}

// Note is what became of one key.
type Note struct {
	Kind      Kind
	Key, Text string
}

// result is what a conversion has led to.
type result struct {
	section  map[string]any
	settings config.Settings
}

// line is what a converter says of a key. Without a place it holds by itself.
type line struct {
	kind      Kind
	key, text string
	at        *place
}

// place is where a value should be found: under a key of a table of the settings, or
// of the Runner's section for the table runner.
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

// Report says what became of each key, where section is what now calls this program
// in the Runner's config.toml.
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

// ReportOf is the report on the text of a config.toml, whose section has a name.
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
	// The library decodes the value as it has decoded the settings.
	wanted := reflect.New(reflect.MapOf(reflect.TypeFor[string](), found.Type()))
	if _, err := toml.Decode("v = "+value(p.value), wanted.Interface()); err != nil {
		return false
	}
	return same(found, wanted.Elem().MapIndex(reflect.ValueOf("v")))
}

// same tells whether two values of a setting are equal; an empty list is none.
func same(a, b reflect.Value) bool {
	if k := a.Kind(); (k == reflect.Slice || k == reflect.Map) && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// asRead is a value as the library reads it.
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

// keyPath takes a dotted key apart, with quotes as TOML has them.
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

// differs says of a key that what it meant is not what holds here.
func (c *Conversion) differs(key, format string, args ...any) {
	c.lines = append(c.lines, line{Differs, key, fmt.Sprintf(format, args...), nil})
}

// drop says of a key that nothing of it is here, and why.
func (c *Conversion) drop(key, why string) {
	c.lines = append(c.lines, line{Dropped, key, why, nil})
}

// keep leaves a key in the Runner's section.
func (c *Conversion) keep(key string, v any, text string) {
	c.Section[key] = v
	c.lines = append(c.lines, line{Carried, key, text, &place{runner, key, v}})
}

// holds says of a key that the settings have its value without being told, and
// holdsNear says what they have that is like it.
func (c *Conversion) holds(table, key string, v any, from, text string) {
	c.lines = append(c.lines, line{Carried, from, text, &place{table, key, v}})
}

func (c *Conversion) holdsNear(table, key string, v any, from, text string) {
	c.lines = append(c.lines, line{Differs, from, text, &place{table, key, v}})
}

// put takes a setting that means the same, if the settings are valid with it; else
// the key is dropped with what is wrong. It tells which.
func (c *Conversion) put(table, key string, v any, from, why string) bool {
	return c.set(Carried, place{table, key, v}, from, why)
}

// putNear takes a setting that does not mean quite the same.
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

// settled are the settings so far, with one more in the place of that key's.
func (c *Conversion) settled(p place) []place {
	with := slices.DeleteFunc(slices.Clone(c.settings), func(s place) bool { return s.table == p.table && s.key == p.key })
	return append(with, p)
}

// firstFault is the first of settings that are none, without its line, which nobody sees.
func firstFault(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	_, what, _ := strings.Cut(first, ": ")
	return what
}

// mentioned tells whether a line is about a key or about a part of it.
func (c *Conversion) mentioned(key string) bool {
	return slices.ContainsFunc(c.lines, func(l line) bool { return l.key == key || strings.HasPrefix(l.key, key+" ") })
}

// finish gives a line to each key that has none.
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
