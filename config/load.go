package config

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/agnivade/levenshtein"

	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/hostfile"
)

// DefaultFile is the commented default file; it parses to Default().
//
//go:embed default.toml
var DefaultFile []byte

// maxSize bounds a settings file, in bytes; a larger file cannot be a settings file.
const maxSize = 1 << 20

// Load reads the settings from path, or from DefaultPath when path is empty. A missing file
// at DefaultPath means the defaults. The error holds all faults of a file at once, each
// with file and line where TOML gives them.
func Load(path string) (Settings, error) {
	s, _, err := LoadWarned(path)
	return s, err
}

// LoadWarned is Load with warnings about a file that still serves. Each warning is a line
// of text about a key that the admin should change.
func LoadWarned(path string) (s Settings, warnings []string, err error) {
	return load(cmp.Or(path, DefaultPath), path != "")
}

// load reads the settings from path. A named file must exist.
func load(path string, named bool) (Settings, []string, error) {
	src, err := read(path, named)
	if err != nil {
		return Settings{}, nil, err
	}
	return parse(path, src)
}

// read returns the content of a settings file. A named file must exist.
func read(path string, named bool) ([]byte, error) {
	src, err := readAtMost(path, maxSize+1)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return nil, nil
	case err != nil:
		return nil, fault.System(fmt.Errorf("reading the settings: %w", err),
			"name a file that the Runner's user can read, or leave --settings out to use the defaults")
	case len(src) > maxSize:
		return nil, fault.System(fmt.Errorf("%s: larger than %d bytes", path, maxSize), "this is no settings file")
	}
	return src, nil
}

// readAtMost reads the beginning of a file, up to most bytes.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := hostfile.OpenNamed(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// Parse reads the settings from src. Messages call the file name. The error holds all
// faults, as that of Load.
func Parse(name string, src []byte) (Settings, error) {
	s, _, err := parse(name, src)
	return s, err
}

func parse(name string, src []byte) (Settings, []string, error) {
	s, d, err := decode(name, src)
	if err != nil {
		return Settings{}, nil, err
	}
	if len(d.faults) > 0 {
		return Settings{}, nil, invalid(errors.Join(inOrder(d.faults)...))
	}
	return s, d.warned(), nil
}

// decode reads the readable part of src. The decoder holds the faults of the rest.
func decode(name string, src []byte) (Settings, *decoder, error) {
	s := Default()
	var top map[string]toml.Primitive
	md, err := toml.NewDecoder(bytes.NewReader(src)).Decode(&top)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			err = fmt.Errorf("%s:%d: %s", name, pe.Position.Line, pe.Message)
		}
		return Settings{}, nil, invalid(err)
	}
	d := &decoder{md: md, lines: keyLines(src), name: name}
	d.table(reflect.ValueOf(&s).Elem(), top, nil)
	unread := len(d.faults) // an unreadable value has its default, which is not at fault
	for _, f := range validate(s) {
		if !slices.ContainsFunc(d.faults[:unread], func(l located) bool { return l.key == f.key }) {
			d.add(f.key, f.what)
		}
	}
	return s, d, nil
}

// warned returns the warnings, a line of text each.
func (d *decoder) warned() (warnings []string) {
	for _, w := range inOrder(d.warnings) {
		warnings = append(warnings, w.Error())
	}
	return warnings
}

func invalid(err error) error { return fault.System(err, explained) }

// explained is the hint to the explanation of every key.
const explained = "`gitlab-dind-executor settings --default` prints every key with its explanation"

// Digest identifies the settings by 12 hex digits: equal settings have equal digests.
func (s Settings) Digest() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain data: cannot fail
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// located is a fault or a warning with its line in a settings file; line 0 is unknown.
type located struct {
	line int
	// key is the key at fault, or with a warning.
	key string
	err error
}

// inOrder orders by lines.
func inOrder(list []located) (errs []error) {
	slices.SortStableFunc(list, func(a, b located) int { return a.line - b.line })
	for _, l := range list {
		errs = append(errs, l.err)
	}
	return errs
}

// decoder walks the tables of a file beside the fields of the settings, so no wrong key
// hides the next.
type decoder struct {
	md     toml.MetaData
	lines  map[string]int
	name   string
	faults []located
	// warnings are about keys that still serve and should change.
	warnings []located
}

func (d *decoder) add(key, what string) {
	line := lineOf(d.lines, key)
	d.faults = append(d.faults, located{line, key, fmt.Errorf("%s: %s", d.at(line, key), what)})
}

// at names the file, the line and the key, for a message.
func (d *decoder) at(line int, key string) string {
	if line > 0 {
		return fmt.Sprintf("%s:%d: %s", d.name, line, key)
	}
	return d.name + ": " + key
}

func (d *decoder) table(v reflect.Value, keys map[string]toml.Primitive, path []string) {
	fields := map[string]reflect.Value{}
	for _, f := range Fields(v.Type()) {
		fields[f.Tag.Get("toml")] = v.FieldByIndex(f.Index)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		prim, path := keys[key], append(slices.Clone(path), key)
		field, ok := fields[key]
		if !ok {
			if field, ok = d.rename(key, fields, keys, path); ok && !field.IsValid() {
				continue // reported already
			}
		}
		if !ok {
			d.add(dotted(path), "unknown key; "+known(key, slices.Sorted(maps.Keys(fields))))
			continue
		}
		d.value(field, prim, path)
	}
}

// known names the keys that were probably meant, else all keys there are.
func known(key string, all []string) string {
	near := map[int][]string{}
	for _, k := range all {
		distance := levenshtein.ComputeDistance(strings.ToLower(key), k)
		if len(key) >= 4 && (strings.HasPrefix(k, key+"_") || strings.HasSuffix(k, "_"+key)) {
			distance = 1 // a part of the name
		}
		if 3*distance <= len(key) {
			near[distance] = append(near[distance], k)
		}
	}
	for distance := range 3 {
		if keys := near[distance]; len(keys) > 0 {
			return "did you mean " + strings.Join(keys, " or ") + "?"
		}
	}
	return "known here: " + strings.Join(all, ", ")
}

func (d *decoder) value(field reflect.Value, prim toml.Primitive, path []string) {
	switch {
	case field.Kind() == reflect.Struct && hasTOMLFields(field.Type()):
		sub, ok := d.keys(prim)
		if !ok {
			d.add(dotted(path), "must be a table")
			return
		}
		d.table(field, sub, path)
	case field.Kind() == reflect.Map:
		sub, ok := d.keys(prim)
		if !ok {
			d.add(dotted(path), tableForm(field.Type().Elem()))
			return
		}
		out := reflect.MakeMap(field.Type())
		for _, key := range slices.Sorted(maps.Keys(sub)) {
			elem := reflect.New(field.Type().Elem()).Elem()
			d.value(elem, sub[key], append(slices.Clone(path), key))
			out.SetMapIndex(reflect.ValueOf(key), elem)
		}
		field.Set(out)
	case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct && hasTOMLFields(field.Type().Elem()):
		var tables []toml.Primitive
		if err := d.md.PrimitiveDecode(prim, &tables); err != nil {
			d.add(dotted(path), "must be tables, each under [["+dotted(path)+"]]")
			return
		}
		out := reflect.MakeSlice(field.Type(), len(tables), len(tables))
		for i, t := range tables {
			d.value(out.Index(i), t, append(slices.Clone(path), strconv.Itoa(i+1)))
		}
		field.Set(out)
	default:
		fresh := reflect.New(field.Type())
		if err := d.md.PrimitiveDecode(prim, fresh.Interface()); err != nil {
			d.add(dotted(path), describe(field.Type(), err))
			return
		}
		field.Set(fresh.Elem())
	}
}

// keys returns the content of a table. For a value that is no table, the library returns no
// error and leaves the map nil.
func (d *decoder) keys(prim toml.Primitive) (map[string]toml.Primitive, bool) {
	var sub map[string]toml.Primitive
	err := d.md.PrimitiveDecode(prim, &sub)
	return sub, err == nil && sub != nil
}

// tableForm says in words how a table of values must look.
func tableForm(elem reflect.Type) string {
	switch elem.Kind() {
	case reflect.Struct:
		return "must be a table of tables"
	case reflect.Slice:
		return `must be a table of lists, like { "NAME" = ["a", "b"] }`
	}
	return `must be a table of strings, like { "NAME" = "text" }`
}

// Fields returns the fields of a table. Fields of embedded types count as the table's own.
func Fields(t reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.Anonymous })
}

// hasTOMLFields tells our own tables from types like netip.Prefix.
func hasTOMLFields(t reflect.Type) bool {
	return t.NumField() > 0 && t.Field(0).Tag.Get("toml") != ""
}

// describe says in words how a value must look, since the library's words name Go types.
func describe(t reflect.Type, err error) string {
	forms := map[string]string{
		"string":          `must be a string, like "text"`,
		"int":             "must be a whole number, like 26",
		"int64":           "must be a whole number, like 26",
		"float64":         "must be a number, like 1.5",
		"bool":            "must be true or false",
		"[]string":        `must be a list of strings, like ["a", "b"]`,
		"config.Duration": `must be a duration, like "90s", "10m" or "14d"`,
		"config.Size":     `must be a size, like "512m" or "4g"`,
		"netip.Prefix":    `must be an address range, like "10.231.0.0/16"`,
		"[]netip.Prefix":  `must be a list of address ranges, like ["10.232.0.0/16"]`,
		"[]netip.Addr":    `must be a list of addresses, like ["192.0.2.53"]`,
	}
	if form, ok := forms[strings.TrimPrefix(t.String(), "*")]; ok {
		return form
	}
	return err.Error()
}
