package test

import (
	"path"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"gitlab-dind-executor/config"
)

// cloudConfig is the part of a file for cloud-init that pages use.
type cloudConfig struct {
	Packages []string
	Files    []struct {
		Path, Content, Permissions string
	} `yaml:"write_files"`
	Run []string `yaml:"runcmd"`
}

// Hosts of test/host boot with the file of docs/many-hosts.md. This test finds faults for which
// no host is needed.
func TestTheFileForCloudInitIsSound(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if !b.is("yaml") || !strings.HasPrefix(b.text, "#cloud-config\n") {
				continue
			}
			found++
			for _, fault := range cloudFaults(t, b.text) {
				t.Errorf("%s:%d: %v", p.name, b.line, fault)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d pages have a file for cloud-init, want one", found)
	}
}

func TestAFileForCloudInitThatIsNotSound(t *testing.T) {
	for name, text := range map[string]string{
		"a key that it does not have": "#cloud-config\nnonsense: true\n",
		"settings that nobody knows":  "#cloud-config\nwrite_files:\n  - path: /etc/gitlab-runner/dind.toml\n    content: |\n      nonsense = 1\n",
		"a command that is not there": "#cloud-config\nruncmd:\n  - gitlab-dind-executor nonsense\n",
		"a token that all may read":   "#cloud-config\nwrite_files:\n  - path: /etc/gitlab-runner/token\n    content: glrt-REPLACE-ME\n",
	} {
		if len(cloudFaults(t, text)) == 0 {
			t.Errorf("%s: no fault is found", name)
		}
	}
}

func cloudFaults(t *testing.T, text string) (faults []string) {
	t.Helper()
	var c cloudConfig
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return []string{err.Error()}
	}
	for _, f := range c.Files {
		if path.Base(f.Path) == "dind.toml" {
			if _, err := config.Parse(f.Path, []byte(f.Content)); err != nil {
				faults = append(faults, err.Error())
			}
		}
		if strings.Contains(f.Content, "glrt-") && f.Permissions != "0600" {
			faults = append(faults, f.Path+" holds a token and may be read by all")
		}
	}
	// cloud-init makes a single program of the commands.
	if _, err := (commands{targets: makeTargets(t), units: units(t)}).check(strings.Join(c.Run, "\n")); err != nil {
		faults = append(faults, err.Error())
	}
	return faults
}
