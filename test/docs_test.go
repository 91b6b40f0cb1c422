package test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/config"
)

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for _, p := range all {
		for _, l := range p.links {
			u, err := url.Parse(l.text)
			switch {
			case err != nil:
				t.Errorf("%s:%d: %v", p.name, l.line, err)
				continue
			case u.Scheme == "mailto":
				continue
			case u.Scheme != "" || u.Host != "":
				if u.Scheme != "https" || u.Host == "" {
					t.Errorf("%s:%d: %s is no link to a page of the web: it must begin with https://", p.name, l.line, l.text)
				}
				continue // no test may depend on the answer of a foreign host
			}
			target := p.name
			if u.Path != "" {
				target = p.inRepository(u.Path)
				if _, err := os.Stat(path.Join("..", target)); err != nil || strings.HasPrefix(target, "../") {
					t.Errorf("%s:%d: there is no file %s", p.name, l.line, target)
					continue
				}
			}
			if u.Fragment != "" && !all[target].anchors[u.Fragment] {
				t.Errorf("%s:%d: %s has no heading #%s", p.name, l.line, target, u.Fragment)
			}
		}
	}
}

func TestTheReadmeNamesEveryPage(t *testing.T) {
	all := pages(t)
	named := map[string]bool{"README.md": true}
	for _, l := range all["README.md"].links {
		file, _, _ := strings.Cut(l.text, "#")
		named[file] = true
	}
	for name := range all {
		// GitLab shows templates where people fill them in.
		if !named[name] && !strings.HasPrefix(name, ".gitlab/") {
			t.Errorf("README.md has no link to %s: its index of pages wants a line", name)
		}
	}
}

// docs/settings.md is made from the code, and made anew after each change of the code.
func TestThePageOfSettingsIsCurrent(t *testing.T) {
	want, err := exec.CommandContext(t.Context(), "go", "run", "gitlab-dind-executor/scripts/settingsdoc").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../docs/settings.md"); err != nil || string(got) != string(want) {
		t.Errorf("docs/settings.md is not what the settings are by now (%v): run make docs", err)
	}
}

// settingName is the form of a piece of code that names a setting.
var settingName = regexp.MustCompile(`^(?:engine|sidecar|job|services|helper|cache|pool|limits|pull|mirror|network|proxy|admission|cleanup|bundles|gvisor)(?:\.[a-z_]+)+$`)

func TestSettingsThatPagesNameExist(t *testing.T) {
	for _, p := range pages(t) {
		for _, s := range p.spans {
			if !settingName.MatchString(s.text) {
				continue
			}
			// The value is of no setting's type. So a known key gives another fault than
			// "unknown key".
			if _, err := config.Parse(p.name, []byte(s.text+" = 1979-05-27\n")); err != nil && strings.Contains(err.Error(), "unknown key") {
				t.Errorf("%s:%d: there is no setting %s", p.name, s.line, s.text)
			}
			if p.name == "CHANGELOG.md" {
				continue // the changelog tells of former names
			}
			for _, w := range warningsOf(t, s.text+" = \"1h\"\n") { // a renamed setting gives a warning
				t.Errorf("%s:%d: %s", p.name, s.line, w)
			}
		}
	}
}

// warningsOf returns the warnings about valid settings.
func warningsOf(t *testing.T, text string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, warnings, _ := config.LoadWarned(file) // another test looks for faults
	return warnings
}

// Blocks of TOML are settings, or else parts of the Runner's config.toml.
func TestTOMLInPagesIsValid(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if !b.is("toml") {
				continue
			}
			found++
			if !ofRunner.MatchString(b.text) {
				if _, err := config.Parse(p.name, []byte(b.text)); err != nil {
					t.Errorf("%s:%d: these are no settings: %v", p.name, b.line, err)
				}
				for _, w := range warningsOf(t, b.text) {
					t.Errorf("%s:%d: %s", p.name, b.line, w)
				}
				continue
			}
			for _, fault := range faultsOfRunnerConfig(b.text) {
				t.Errorf("%s:%d: in the Runner's config.toml: %s", p.name, b.line, fault)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d blocks of TOML were found", found)
	}
}

// Readers of the page get the tested version.
func TestThePageOfGVisorNamesTheVersionOfTheTests(t *testing.T) {
	module, err := os.ReadFile("../scripts/gvisor.d/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`gvisor\.dev/gvisor (v\S+)`).FindSubmatch(module)
	page, err := os.ReadFile("../docs/gvisor.md")
	if err != nil || pinned == nil {
		t.Fatalf("go.mod pins %q, %v", pinned, err)
	}
	if !strings.Contains(string(page), "gvisor.dev/gvisor/runsc@"+string(pinned[1])) {
		t.Errorf("docs/gvisor.md does not name %s", pinned[1])
	}
}

func TestJSONAndYAMLInPagesAreValid(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			var what any
			var err error
			switch {
			case b.is("json"):
				err = json.Unmarshal([]byte(b.text), &what)
			case b.is("yaml") || b.is("yml"):
				err = yaml.Unmarshal([]byte(b.text), &what)
			}
			if err != nil {
				t.Errorf("%s:%d: %v", p.name, b.line, err)
			}
		}
	}
}

// ofRunner tells the Runner's config.toml from settings.
var ofRunner = regexp.MustCompile(`(?m)^\s*(?:\[\[?\s*(?:runners|session_server)\b|(?:concurrent|check_interval|shutdown_timeout|listen_address)\s*=)`)

// faultsOfRunnerConfig returns the program's objections to the hooks in a part of a
// config.toml.
func faultsOfRunnerConfig(text string) []string {
	var file struct {
		Runners []struct {
			Custom map[string]any `toml:"custom"`
		} `toml:"runners"`
	}
	if _, err := toml.Decode(text, &file); err != nil {
		return []string{err.Error()}
	}
	var faults []string
	for _, r := range file.Runners {
		for key, value := range r.Custom {
			hook, ok := strings.CutSuffix(key, "_args")
			if !ok {
				continue
			}
			var args []string
			list, _ := value.([]any)
			for _, a := range list {
				s, _ := a.(string)
				args = append(args, s)
			}
			if hook == "run" {
				args = append(args, "script", "stage") // the Runner adds both
			}
			if err := knownCommand(args); err != nil {
				faults = append(faults, key+": "+err.Error())
			}
		}
	}
	return faults
}
