package config

import (
	"strings"
	"testing"
)

// No job gets a directory that gives the host away. No job can change files that a hook or
// another container of the host trusts.
func TestDirectoriesOfTheHostThatNoJobMayHave(t *testing.T) {
	for name, c := range map[string]struct {
		settings, says string // says is "" for correct settings
	}{
		"a directory to read":           {`job.volumes = ["/srv/models:/models:ro"]`, ""},
		"one to write beside our files": {"job.volumes = [\"/srv/a:/a\"]\nhelper.runner_binary = \"/srv/b/runner\"", ""},
		"one to read with the helper's program": {
			"job.volumes = [\"/srv/a:/a:ro\"]\nhelper.runner_binary = \"/srv/a/runner\"", "",
		},
		"the socket's directory of podman":     {`job.volumes = ["/run/podman:/x:ro"]`, "is the host's container engine"},
		"the same by its old name":             {`job.volumes = ["/var/run/podman:/x:ro"]`, "is the host's container engine"},
		"the directory of CRI-O's socket":      {`job.volumes = ["/run/crio:/x"]`, "is the host's container engine"},
		"the directory of BuildKit's socket":   {`job.volumes = ["/run/buildkit:/x"]`, "is the host's container engine"},
		"the bus of the host's services":       {`job.volumes = ["/run/dbus/system_bus_socket:/x:ro"]`, "the host's services"},
		"the directory of systemd's own":       {`job.volumes = ["/run/systemd:/x:ro"]`, "the host's services"},
		"the journal's socket":                 {`job.volumes = ["/run/systemd/journal/socket:/x"]`, ""},
		"the engine's socket, wherever it is":  {"engine.host = \"unix:///srv/e/api\"\njob.volumes = [\"/srv/e/api:/x:ro\"]", "/srv/e/api is engine.host"},
		"a path that is written otherwise":     {"engine.host = \"unix:///srv//e/api\"\njob.volumes = [\"/srv/e:/x:ro\"]", "/srv/e holds /srv/e/api"},
		"the directory of that socket":         {"engine.host = \"unix:///srv/e/api\"\nservices.volumes = [\"/srv/e:/x:ro\"]", "/srv/e holds /srv/e/api, which is engine.host"},
		"an engine that is elsewhere":          {"engine.host = \"tcp://e:2376\"\njob.volumes = [\"/srv/e:/x:ro\"]", ""},
		"the password of the mirror":           {"mirror.username = \"u\"\nmirror.password_file = \"/srv/m/p\"\njob.volumes = [\"/srv/m:/x:ro\"]", "/srv/m holds /srv/m/p, which is mirror.password_file"},
		"bundles of failed jobs":               {"bundles.dir = \"/srv/bundles\"\njob.volumes = [\"/srv/bundles:/x:ro\"]", "/srv/bundles is bundles.dir"},
		"a file that the helper runs":          {"helper.runner_binary = \"/srv/runner\"\njob.volumes = [\"/srv/runner:/x\"]", "/srv/runner is given to jobs, which could change it"},
		"a CA that jobs could change":          {"registry.\"r.example.com\".ca_file = \"/srv/ca\"\njob.volumes = [\"/srv/ca:/x\"]", "/srv/ca is given to jobs"},
		"a log in a directory that jobs write": {"log.file = \"/srv/l/log\"\njob.volumes = [\"/srv/l:/x\"]", "could put a link in its place"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("dind.toml", []byte(c.settings))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("it says %v, want %q", err, c.says)
			}
		})
	}
}
