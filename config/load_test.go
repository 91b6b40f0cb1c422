package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/faults/NAME.toml has the expected messages in NAME.txt.
func TestEveryFaultOfAFileIsToldAtOnceWithItsLine(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no settings files to check: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("dind.toml", src)
			if err == nil {
				t.Fatal("no fault was found")
			}
			if fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "settings --default") {
				t.Errorf("of job: %t, hint: %q", fault.IsOfJob(err), fault.HintOf(err))
			}
			golden := strings.TrimSuffix(file, ".toml") + ".txt"
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWritingsOfTheSameSettingsAreEqual(t *testing.T) {
	plain := "[sidecar]\nimage = \"docker:28-dind\"\nready_timeout = \"90s\"\n\n" +
		"[registry.\"r.example.com:5050\"]\nca_file = \"/ca.pem\"\n"
	want, err := Parse("plain.toml", []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	if want.Sidecar.ReadyTimeout.Std() != 90*time.Second || want.Sidecar.Image != "docker:28-dind" {
		t.Fatalf("not what the file says: %+v", want.Sidecar)
	}
	for name, src := range map[string]string{
		"lines that end as on Windows": strings.ReplaceAll(plain, "\n", "\r\n"),
		"dotted keys":                  "sidecar.image = \"docker:28-dind\"\nsidecar.ready_timeout = \"1m30s\"\nregistry.\"r.example.com:5050\".ca_file = '/ca.pem'",
		"inline tables":                "sidecar = { image = \"docker:28-dind\", ready_timeout = \"90s\" }\nregistry = { \"r.example.com:5050\" = { ca_file = \"/ca.pem\" } }",
		"spaces in a table's name":     "[ sidecar ]\nimage='docker:28-dind'\nready_timeout='90s'\n[ registry . 'r.example.com:5050' ]\nca_file='/ca.pem'",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse("dind.toml", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, sameSettings); diff != "" {
				t.Errorf("(-plain +this):\n%s", diff)
			}
		})
	}
}

func TestAFileThatNamesHalfATableKeepsTheOtherDefaults(t *testing.T) {
	got, err := Parse("dind.toml", []byte("[network]\nmtu = 1400\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Network.MTU = 1400
	if diff := cmp.Diff(want, got, sameSettings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEmptyTablesAreNoFault(t *testing.T) {
	got, err := Parse("dind.toml", []byte("job = {}\n[sidecar]\n[registry]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, sameSettings); diff != "" {
		t.Errorf("(-Default +got):\n%s", diff)
	}
}

func TestAMissingDefaultFileMeansTheDefaults(t *testing.T) {
	got, _, err := load(filepath.Join(t.TempDir(), "dind.toml"), false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), got, sameSettings); diff != "" {
		t.Errorf("(-Default +got):\n%s", diff)
	}
}

func TestAFileThatCannotBeReadIsAFault(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge.toml")
	if err := os.WriteFile(huge, bytes.Repeat([]byte("# a\n"), maxSize), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, message string }{
		"a named file that is missing": {filepath.Join(dir, "none.toml"), "none.toml: no such file"},
		"a directory":                  {dir, "is no regular file"},
		"a file below a file":          {filepath.Join(huge, "x"), "not a directory"},
		"a huge file":                  {huge, "larger than"},
		"a device without end":         {"/dev/zero", "is no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(c.path)
			if err == nil {
				t.Fatal("no fault was found")
			}
			if !strings.Contains(err.Error(), c.message) || fault.HintOf(err) == "" || fault.IsOfJob(err) {
				t.Errorf("error %q, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

func TestAnExistingDefaultFileWithAFaultIsNotPassedOver(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(file, []byte("[sidecar]\nimage = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := load(file, false)
	if err == nil || !strings.Contains(err.Error(), "dind.toml:2: sidecar.image: must be a string") {
		t.Errorf("error %v", err)
	}
}

func TestADurationIsWrittenAsItIsRead(t *testing.T) {
	d := Duration(90 * time.Second)
	text, err := d.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back Duration
	if err := back.UnmarshalText(text); err != nil || back != d {
		t.Errorf("%s became %s (%v)", d.Std(), back.Std(), err)
	}
}

// Else every job would fail, and the message would tell its author to use fewer services.
func TestServicesOfEveryJobAreWithinTheirNumber(t *testing.T) {
	const two = "\n[[service]]\nname = \"redis:7\"\n[[service]]\nname = \"postgres:17\"\n"
	for most, wrong := range map[string]bool{"0": false, "1": true, "2": false} {
		_, err := Parse("dind.toml", []byte("services.max = "+most+two))
		if (err != nil) != wrong || wrong && !strings.Contains(err.Error(), "services.max: is less than the 2 services") {
			t.Errorf("max = %s: %v", most, err)
		}
	}
}
