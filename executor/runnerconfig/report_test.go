package runnerconfig

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"gitlab-dind-executor/config"
)

// sameValue are keys whose values are the same while their meanings differ.
var sameValue = []string{"memory", "service_memory"}

// tellsTheTruth converts a section and compares the report with the result. looked are the
// keys of [runners.docker] with a checked meaning.
func tellsTheTruth(t *testing.T, section map[string]any) (looked []string) {
	var b strings.Builder
	if err := toml.NewEncoder(&b).Encode(map[string]any{"runners": []map[string]any{section}}); err != nil {
		t.Fatal(err)
	}
	src := b.String()
	c, err := Convert("x", []byte(src), "")
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	s, err := config.Parse("dind.toml", []byte(c.Settings))
	if err != nil {
		t.Fatalf("settings that are none: %v\n%s", err, src)
	}
	runners, err := sections("x", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	in := runners[0]
	docker := lowered(in["docker"].(map[string]any))
	report := notes(t, c)
	keys := append(sorted(in), sorted(docker)...)
	if flags, ok := in["feature_flags"].(map[string]any); ok {
		for _, flag := range sorted(flags) {
			keys = append(keys, "feature_flags "+flag)
		}
	}
	for _, key := range keys {
		if !slices.ContainsFunc(report, func(n Note) bool { return n.Key == key || strings.HasPrefix(n.Key, key+" ") }) && key != "docker" {
			t.Errorf("no line for %s in\n%s%+v", key, src, report)
		}
	}
	for _, n := range report {
		key, part, _ := strings.Cut(n.Key, " ")
		held := n.Kind == Differs && slices.Contains(sameValue, key) && strings.HasPrefix(n.Text, "as ")
		if n.Kind != Carried && !held {
			continue
		}
		v, ofDocker := docker[key]
		looked = append(looked, key)
		switch mean := meanings[key]; {
		case n.Key == "cache Type":
			if s.Cache.Volume {
				t.Errorf("%+v, and the settings are\n%s", n, c.Settings)
			}
		case key == "environment":
			if kept := list(in[key]); !reflect.DeepEqual(c.Section[key], slices.DeleteFunc(kept, func(e string) bool { return strings.HasPrefix(e, "DOCKER_HOST=") })) {
				t.Errorf("%+v, and the section has %v", n, c.Section[key])
			}
		case key == "feature_flags":
			want, _ := in[key].(map[string]any)
			got, _ := c.Section[key].(map[string]any)
			if got[part] != want[part] || got[part] == nil || part == "FF_CONCRETE" || part == "FF_PRINT_POD_EVENTS" {
				t.Errorf("%+v, and the section has %v", n, got)
			}
		case !ofDocker && in[key] == nil && asDockers(nil)[key] != nil:
			if !reflect.DeepEqual(c.Section[key], asDockers(nil)[key]) {
				t.Errorf("%+v, and the section has %v", n, c.Section[key])
			}
		case !ofDocker:
			if key != "url" && !reflect.DeepEqual(c.Section[key], in[key]) {
				t.Errorf("%+v, and the section has %v", n, c.Section[key])
			}
		case mean == nil:
			t.Errorf("%s is carried, and meanings has no row for it", key)
		case !mean(v, part, s):
			t.Errorf("%+v, and the settings do not mean that:\n%s\nof\n%s", n, c.Settings, src)
		}
	}
	return looked
}

// The report calls no key carried unless the result has the key's meaning, and each key has
// a line.
func TestAReportTellsTheTruth(t *testing.T) {
	for seed := range uint64(400) {
		if tellsTheTruth(t, generated(seed)); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzAReportTellsTheTruth(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed * 1000003)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { tellsTheTruth(t, generated(seed)) })
}

// Every key that can be carried is carried with at least one value. A converter that drops
// all keys would pass the other tests.
func TestEveryMeaningIsTried(t *testing.T) {
	for key := range meanings {
		if !slices.ContainsFunc(values[key], func(v any) bool {
			docker := map[string]any{"memory": "2g", "service_memory": "2g", key: v}
			section := map[string]any{"executor": "docker", "feature_flags": map[string]any{"FF_NETWORK_PER_BUILD": true}, "docker": docker}
			return slices.Contains(tellsTheTruth(t, section), key)
		}) {
			t.Errorf("%s is never carried", key)
		}
	}
	for key := range values {
		if dockerKeys[key] == nil {
			t.Errorf("%s has no rule", key)
		}
	}
}
