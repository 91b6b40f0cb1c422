package config

import (
	"cmp"
	"reflect"
	"slices"

	"gitlab-dind-executor/fault"
)

// Partial is what a settings file says, but for the keys that are at fault.
type Partial struct {
	// Settings have the defaults in place of the keys at fault.
	Settings Settings
	Warnings []string
	// Faults are one for each fault, in the order of lines. The last one alone has a
	// hint, which is for all of them.
	Faults []error
	// broken are the keys at fault, as in "sidecar.image".
	broken []string
}

// LoadPartly is LoadWarned for doctor, which goes on with what is sound. An error means
// that nothing of the file can be read.
func LoadPartly(path string) (Partial, error) {
	src, err := read(cmp.Or(path, DefaultPath), path != "")
	if err != nil {
		return Partial{}, err
	}
	s, d, err := decode(cmp.Or(path, DefaultPath), src)
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
	// A default may not go with what else the file says. The two are then both at fault.
	for again := true; again; {
		again = false
		for _, f := range validate(p.Settings) {
			again = p.leaveOut(f.key) || again
		}
	}
	return p, nil
}

// leaveOut gives a key its default. It tells whether the key was sound before.
func (p *Partial) leaveOut(key string) bool {
	if slices.Contains(p.broken, key) {
		return false
	}
	p.broken = append(p.broken, key)
	usual := Default()
	reset(reflect.ValueOf(&p.Settings).Elem(), reflect.ValueOf(&usual).Elem(), splitKey(key))
	return true
}

// Broken returns which of the keys is at fault, or has a key at fault in its table; "" if
// none is. It returns the key at fault as the file has it.
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

// within tells whether a key is another one, or stands in the table of that name.
func within(key, table []string) bool {
	return len(key) >= len(table) && slices.Equal(key[:len(table)], table)
}

// reset gives a key the value that it has in other settings. For a key in a list or a
// map that is the whole of it. An unknown key has no value.
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
