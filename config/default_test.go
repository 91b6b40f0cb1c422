package config

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameSettings compares settings by value; netip's types have hidden fields,
// and an empty list is the same as none.
var sameSettings = cmp.Options{
	cmpopts.EquateComparable(Default().Network.Pool),
	cmpopts.EquateEmpty(),
}

func TestTheDefaultFileParsesToExactlyTheDefaults(t *testing.T) {
	got, err := Parse("default.toml", DefaultFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, sameSettings); diff != "" {
		t.Errorf("default.toml and Default() differ (-Default +file):\n%s", diff)
	}
	if got.Digest() != Default().Digest() {
		t.Error("default.toml and Default() have different digests")
	}
}

func TestAnEmptyFileMeansTheDefaults(t *testing.T) {
	got, err := Parse("empty.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, sameSettings); diff != "" {
		t.Errorf("(-Default +empty):\n%s", diff)
	}
}

func TestTheDefaultFileSaysEveryKeyOnce(t *testing.T) {
	lines := keyLines(DefaultFile)
	for _, key := range keysOf(reflect.TypeFor[Settings](), "") {
		if lines[key] == 0 {
			t.Errorf("default.toml lacks %s", key)
		}
		delete(lines, key)
	}
	for key, line := range lines {
		if !regexp.MustCompile(`^(limits\.)?[a-z]+$`).MatchString(key) { // the tables' own names
			t.Errorf("default.toml:%d: %s is no setting", line, key)
		}
	}
}

// keysOf lists the keys of a settings struct. Tables with names by the admin are left out:
// the default file can only show examples of them.
func keysOf(t reflect.Type, table string) []string {
	var keys []string
	for _, f := range Fields(t) {
		name := f.Tag.Get("toml")
		if table != "" {
			name = table + "." + name
		}
		switch {
		case f.Type == reflect.TypeFor[map[string]Registry](), f.Type == reflect.TypeFor[[]Policy](), f.Type == reflect.TypeFor[[]Service]():
		case f.Type.Kind() == reflect.Struct && hasTOMLFields(f.Type):
			keys = append(keys, keysOf(f.Type, name)...)
		default:
			keys = append(keys, name)
		}
	}
	return keys
}

func TestEveryFieldHasAKey(t *testing.T) {
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		for _, f := range Fields(typ) {
			if key := f.Tag.Get("toml"); !bareKey.MatchString(key) {
				t.Errorf("%s.%s has the key %q", typ, f.Name, key)
			}
			switch {
			case f.Type.Kind() == reflect.Map && f.Type.Elem().Kind() == reflect.Struct:
				visit(f.Type.Elem())
			case f.Type.Kind() == reflect.Struct && hasTOMLFields(f.Type):
				visit(f.Type)
			}
		}
	}
	visit(reflect.TypeFor[Settings]())
}

// The commented examples of the default file must be right as well.
func TestTheExamplesInTheDefaultFileAreValid(t *testing.T) {
	example := regexp.MustCompile(`(?m)^# (\[registry\..*\]|ca_file = .*|\[\[policy\]\]|\[\[service\]\]|(?:name|alias|command|environment|instances|projects|protected|\w+(?:\.\w+)+) = .*)$`)
	src := example.ReplaceAll(DefaultFile, []byte("$1"))
	if bytes.Equal(src, DefaultFile) {
		t.Fatal("default.toml has no example of a registry any more")
	}
	got, err := Parse("example.toml", src)
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Registry["registry.example.com:5050"]; r.CAFile == "" {
		t.Errorf("the example names no CA: %+v", got.Registry)
	}
	if len(got.Service) != 1 || got.Service[0].Alias == "" || len(got.Service[0].Command) != 2 || len(got.Service[0].Environment) != 1 {
		t.Errorf("the example of a service: %+v", got.Service)
	}
	if len(got.Policies) != 1 || got.Policies[0].Protected == nil || len(got.Policies[0].Instances) != 1 || got.Policies[0].Services.AllowedImages == nil || *got.Policies[0].Limits.Job.Memory != 8<<30 {
		t.Errorf("the example of a policy: %+v", got.Policies)
	}
}

func TestDigestTellsSettingsApart(t *testing.T) {
	base := Default().Digest()
	if again := Default().Digest(); again != base {
		t.Errorf("equal settings have digests %s and %s", base, again)
	}
	sources := map[string]string{
		"another image":            "[sidecar]\nimage = \"docker:28-dind\"",
		"a bool turned":            "[sidecar]\nfast_boot = false",
		"another order of a list":  "[network]\ninner_pools = [\"172.29.0.0/16\", \"10.232.0.0/16\", \"192.168.128.0/17\"]",
		"another duration":         "[cleanup]\ngrace = \"11m\"",
		"a registry":               "[registry.\"r.example.com\"]\nca_file = \"/ca.pem\"",
		"the same under a port":    "[registry.\"r.example.com:5050\"]\nca_file = \"/ca.pem\"",
		"an empty list of a value": "[job]\nstart_early = []",
	}
	seen := []string{base}
	for what, src := range sources {
		s, err := Parse("dind.toml", []byte(src))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if slices.Contains(seen, s.Digest()) {
			t.Errorf("%s has the digest of other settings", what)
		}
		seen = append(seen, s.Digest())
	}
}
