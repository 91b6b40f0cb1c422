package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

func TestSpecFile(t *testing.T) {
	tests := []struct {
		args      []string
		file      string
		isProcess bool
	}{
		{[]string{"--root", "/run/create", "--log-format", "json", "--systemd-cgroup", "create", "--bundle", "/b", "id"}, "/b/config.json", false},
		{[]string{"--root=/r", "run", "-b=/b", "id"}, "/b/config.json", false},
		{[]string{"create", "id"}, "config.json", false},
		{[]string{"--debug", "exec", "--process", "/tmp/p", "--detach", "id"}, "/tmp/p", true},
		{[]string{"exec", "id", "sh"}, "", true},
		{[]string{"--root", "/r", "delete", "--force", "id"}, "", false},
		{[]string{"--version"}, "", false},
	}
	for _, test := range tests {
		file, isProcess := specFile(test.args)
		if file != test.file || isProcess != test.isProcess {
			t.Errorf("specFile(%q) = %q, %v, want %q, %v", test.args, file, isProcess, test.file, test.isProcess)
		}
	}
}

func TestMissingCapabilities(t *testing.T) {
	missing, err := missingCapabilities("Name:\tx\nCapBnd:\t000001fffeffffff\nCapAmb:\t0\n")
	if err != nil || !slices.Equal(missing, []string{"CAP_SYS_RESOURCE"}) {
		t.Errorf("missingCapabilities = %q, %v, want CAP_SYS_RESOURCE", missing, err)
	}
}

func TestDropFromFile(t *testing.T) {
	const process = `{"args":["sh"],"capabilities":{"bounding":["CAP_KILL","CAP_SYS_RESOURCE"],"effective":["CAP_SYS_RESOURCE"]},"n":12345678901234567890}`
	const dropped = `{"args":["sh"],"capabilities":{"bounding":["CAP_KILL"],"effective":[]},"n":12345678901234567890}`
	for _, test := range []struct {
		content, want string
		isProcess     bool
	}{
		{process, dropped, true},
		{`{"process":` + process + `,"root":{"path":"r"}}`, `{"process":` + dropped + `,"root":{"path":"r"}}`, false},
		{`{"process":{"args":["sh"]}}`, `{"process":{"args":["sh"]}}`, false},
	} {
		file := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := dropFromFile(file, test.isProcess, []string{"CAP_SYS_RESOURCE"}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(decode(t, got), decode(t, []byte(test.want))) {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func decode(t *testing.T, data []byte) map[string]json.RawMessage {
	t.Helper()
	var value map[string]json.RawMessage
	if err := json.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
