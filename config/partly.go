package config

import (
	"cmp"
	"reflect"
	"slices"

	"gitlab-dind-executor/fault"
)

// Partial is the content of a settings file without the keys at fault.
type Partial struct {
	// Settings have the defaults in place of the keys at fault.
	Settings Settings
	Warnings []string
	// Faults has an error for each fault, in the order of lines. Only the last error has a
	// hint, which is for all of them.
	Faults []error
	// broken are the keys at fault, as in "sidecar.image".
	broken []string
}

// LoadPartly is LoadWarned for doctor, which goes on with the sound keys. An error means:
// nothing of the file can be read.
func LoadPartly(path string) (Partial, error) {
	src, err := read(cmp.Or(path, DefaultPath), path != "")
	if err != nil {
		return Partial{}, err
	}
	return partly(cmp.Or(path, DefaultPath), src)
}

func partly(name string, src []byte) (Partial, error) {
	s, d, err := decode(name, src)
	if err != nil {
		return Partial{}, err
	}
	p := Partial{Settings: s, Warnings: d.warned(), Faults: inOrder(d.faults)}
	if n := len(p.Faults); n > 0 {
		p.Faults[n-1] = fault.System(p.Faults[n-1], explained)
	}
	for _, f := range d.faults {
		p.leaveOut(f.key)
	}
	// A default may not fit the file's other keys. The two are then both at fault.
	for again := true; again; {
		again = false
		for _, f := range validate(p.Settings) {
			again = p.leaveOut(f.key) || again
		}
	}
	return p, nil
}

// leaveOut gives a key its default, and returns whether the key was sound before.
func (p *Partial) leaveOut(key string) bool {
	if slices.Contains(p.broken, key) {
		return false
	}
	p.broken = append(p.broken, key)
	usual := Default()
	reset(reflect.ValueOf(&p.Settings).Elem(), reflect.ValueOf(&usual).Elem(), splitKey(key))
	return true
}

// Broken returns the first key at fault that is one of keys, or is in a table of keys or
// around a key; "" for none. The result is the key as in the file.
func (p *Partial) Broken(keys ...string) string {
	for _, key := range keys {
		for _, b := range p.broken {
			if within(splitKey(b), splitKey(key)) || within(splitKey(key), splitKey(b)) {
				return b
			}
		}
	}
	return ""
}

// within tells whether a key is table, or stands in the table of this name.
func within(key, table []string) bool {
	return len(key) >= len(table) && slices.Equal(key[:len(table)], table)
}

// reset gives a key its value from other settings. A key in a list or a map resets the
// whole list or map. An unknown key has no value.
func reset(settings, others reflect.Value, path []string) {
	for len(path) > 0 && settings.Kind() == reflect.Struct && hasTOMLFields(settings.Type()) {
		fields := Fields(settings.Type())
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("toml") == path[0] })
		if i < 0 {
			return
		}
		settings, others, path = settings.FieldByIndex(fields[i].Index), others.FieldByIndex(fields[i].Index), path[1:]
	}
	settings.Set(others)
}
