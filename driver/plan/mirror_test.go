package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
)

func TestTheMirrorsConfiguration(t *testing.T) {
	s := config.Default()
	s.Mirror.Username, s.Mirror.Remote = "someone", "https://hub.example.com"
	m := BuildMirror(s, NewSecret("p\"w: x"), []byte("PEM"))
	var got struct {
		Version string
		Storage struct{ Delete struct{ Enabled bool } }
		Proxy   map[string]string
	}
	if err := json.Unmarshal([]byte(m.Config.Reveal()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "0.1" || !got.Storage.Delete.Enabled || got.Proxy["remoteurl"] != "https://hub.example.com" ||
		got.Proxy["username"] != "someone" || got.Proxy["password"] != "p\"w: x" {
		t.Errorf("%s", m.Config.Reveal())
	}
	if !slices.Contains(m.Environment, "SSL_CERT_DIR=/etc/ssl/certs:/etc/gitlab-dind-executor/ca") {
		t.Errorf("environment %q", m.Environment)
	}
	if anonymous := BuildMirror(config.Default(), Secret{}, nil); strings.Contains(anonymous.Config.Reveal(), "username") {
		t.Errorf("%s", anonymous.Config.Reveal())
	}
}

func TestAMirrorIsForItsSettings(t *testing.T) {
	base := BuildMirror(config.Default(), Secret{}, nil).Name
	same := config.Default()
	same.Mirror.MaxSize, same.Sidecar.Image = 1, "docker:27-dind"
	if got := BuildMirror(same, Secret{}, nil).Name; got != base {
		t.Error("settings that do not matter make another mirror")
	}
	seen := map[string]string{base: "the base"}
	for name, m := range map[string]Mirror{
		"a CA":       BuildMirror(config.Default(), Secret{}, []byte("PEM")),
		"a remote":   changedMirror(func(s *config.Settings) { s.Mirror.Remote = "https://x" }),
		"an image":   changedMirror(func(s *config.Settings) { s.Mirror.Image = "registry:3" }),
		"a port":     changedMirror(func(s *config.Settings) { s.Mirror.Port = 5000 }),
		"a proxy":    changedMirror(func(s *config.Settings) { s.Proxy.HTTPS = "http://proxy:3128" }),
		"a user":     changedMirror(func(s *config.Settings) { s.Mirror.Username = "x" }),
		"extra host": changedMirror(func(s *config.Settings) { s.Network.ExtraHosts = []string{"a:1.2.3.4"} }),
	} {
		if other := seen[m.Name]; other != "" {
			t.Errorf("%s has the mirror of %s", name, other)
		}
		seen[m.Name] = name
	}
}

func changedMirror(change func(*config.Settings)) Mirror {
	s := config.Default()
	change(&s)
	return BuildMirror(s, NewSecret("x"), nil)
}

func TestWhichDaemonConfigsNameTheMirror(t *testing.T) {
	official := DindImage{Docker: Version{26, 1}, Entrypoint: []string{"dockerd-entrypoint.sh"}}
	for name, c := range map[string]struct {
		image   DindImage
		own     string // the image's daemon.json
		command []string
		checked bool
		direct  bool // daemon.json itself names the mirror
		asks    bool // the sidecar decides
	}{
		"an official image asks by itself":      {image: official, asks: true},
		"another image, mirror seen":            {image: DindImage{Entrypoint: []string{"/own.sh"}}, checked: true, direct: true},
		"another image, mirror not seen":        {image: DindImage{Entrypoint: []string{"/own.sh"}}},
		"mirrors of the image":                  {image: official, own: `{"registry-mirrors": ["https://other"]}`},
		"insecure registries of the image":      {image: official, own: `{"insecure-registries": ["other"]}`},
		"a mirror by the service's flags":       {image: official, command: []string{"--registry-mirror=https://other"}},
		"insecure registries by flags":          {image: official, command: []string{"--insecure-registry", "other"}},
		"something else in the image's own one": {image: official, own: `{"debug": true}`, asks: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, job, facts := example()
			s.Sidecar.RegistryMirrors = []string{"https://admin"}
			job.Services = []Service{{Image: Image{Name: "docker:dind"}, Command: c.command}}
			facts.Mirror = &MirrorAccess{ID: "0123456789ab", URL: "http://172.17.0.1:5017", Checked: c.checked}
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			fitted, _, err := p.Sidecar.Fit(c.image, EngineHost{})
			if err != nil {
				t.Fatal(err)
			}
			plain, mirrored, err := fitted.DaemonConfigs([]byte(c.own))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(plain), "172.17.0.1:5017"); got != c.direct {
				t.Errorf("daemon.json names it: %t\n%s", got, plain)
			}
			asked := slices.Contains(fitted.Environment, "GITLAB_DIND_EXECUTOR_MIRROR=http://172.17.0.1:5017")
			if (mirrored != nil) != c.asks || asked && !c.asks && c.own == "" {
				t.Errorf("the sidecar asks: %t, with %s", asked, mirrored)
			}
			if c.asks {
				var got struct {
					Mirrors  []string `json:"registry-mirrors"`
					Insecure []string `json:"insecure-registries"`
				}
				if err := json.Unmarshal(mirrored, &got); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got.Mirrors, []string{"http://172.17.0.1:5017", "https://admin"}) || !slices.Contains(got.Insecure, "172.17.0.1:5017") {
					t.Errorf("%s", mirrored)
				}
			}
		})
	}
}

// BuildKit before 25 speaks TLS to registries that insecure-registries name without a
// scheme. No build would find its base image.
func TestHowEachReleaseIsToldThatTheMirrorHasNoTLS(t *testing.T) {
	for version, want := range map[Version]string{
		{20, 10}: "http://172.17.0.1:5017",
		{24, 0}:  "http://172.17.0.1:5017",
		{25, 0}:  "172.17.0.1:5017",
		{28, 5}:  "172.17.0.1:5017",
	} {
		for _, entrypoint := range []string{"dockerd-entrypoint.sh", "/own.sh"} {
			s, job, facts := example()
			job.Services = []Service{{Image: Image{Name: "docker:dind"}}}
			facts.Mirror = &MirrorAccess{ID: "0123456789ab", URL: "http://172.17.0.1:5017", Checked: true}
			p, err := Build(s, job, facts)
			if err != nil {
				t.Fatal(err)
			}
			fitted, _, err := p.Sidecar.Fit(DindImage{Docker: version, Entrypoint: []string{entrypoint}}, EngineHost{})
			if err != nil {
				t.Fatal(err)
			}
			plain, mirrored, err := fitted.DaemonConfigs(nil)
			if err != nil {
				t.Fatal(err)
			}
			if mirrored == nil {
				mirrored = plain
			}
			var got struct {
				Insecure []string `json:"insecure-registries"`
			}
			if err := json.Unmarshal(mirrored, &got); err != nil || !slices.Contains(got.Insecure, want) {
				t.Errorf("docker %s, %s: want %s in %s (%v)", version, entrypoint, want, mirrored, err)
			}
		}
	}
}
