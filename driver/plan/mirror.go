package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"gitlab-dind-executor/config"
)

// Paths and port in the mirror's container.
const (
	MirrorPort    = 5000
	MirrorStorage = "/var/lib/registry" // a VOLUME of the official image
	MirrorConfig  = "/etc/gitlab-dind-executor/mirror.yml"
	MirrorCA      = "/etc/gitlab-dind-executor/ca/remote.crt"
)

// Mirror is the pull-through registry shared by all jobs of an engine.
type Mirror struct {
	// Name is the container's name. It contains a hash of the settings, so changed settings
	// make another mirror.
	Name  string
	Image ImageRef
	// Remote is the URL of the registry behind the mirror.
	Remote string
	// Config is Distribution's configuration, which may contain a password.
	Config Secret
	// CA is the remote's CA as PEM; nil for a CA that every system knows.
	CA          []byte
	Environment []string
	ExtraHosts  []string
	// Port is the port on the host; 0 means any free port.
	Port int
	// MaxSize limits the mirror's storage, in bytes; 0 means no limit.
	MaxSize int64
	// PullTimeout and PullAttempts are for the mirror's image.
	PullTimeout  time.Duration
	PullAttempts int
}

// MirrorAccess says how the daemons of jobs reach the mirror.
type MirrorAccess struct {
	// ID is the id of the mirror's container, 12 hex digits.
	ID string
	// URL has no path.
	URL string
	// Checked says that the mirror has just answered. It stays false for an engine on
	// another host, whose mirror cannot be asked from here.
	Checked bool
	// WithScheme puts the mirror's whole URL into insecure-registries. Fit sets it for
	// releases that need the scheme.
	WithScheme bool `json:",omitempty"`
}

// Host is the host of the URL, without the port.
func (m MirrorAccess) Host() string {
	u, err := url.Parse(m.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// BuildMirror makes the plan of the mirror. password belongs to mirror.username, and ca is
// the remote's CA; both may be unset.
func BuildMirror(s config.Settings, password Secret, ca []byte) Mirror {
	proxy := map[string]string{"remoteurl": s.Mirror.Remote}
	if s.Mirror.Username != "" {
		proxy["username"], proxy["password"] = s.Mirror.Username, password.Reveal()
	}
	// JSON is also YAML. With delete disabled, Distribution could not remove images after
	// their week; no other client may delete from a mirror.
	text, err := json.Marshal(map[string]any{
		"version": "0.1",
		"log":     map[string]any{"level": "warn", "accesslog": map[string]any{"disabled": true}},
		"storage": map[string]any{
			"filesystem": map[string]any{"rootdirectory": MirrorStorage},
			"cache":      map[string]any{"blobdescriptor": "inmemory"},
			"delete":     map[string]any{"enabled": true},
		},
		"http":  map[string]any{"addr": fmt.Sprintf(":%d", MirrorPort)},
		"proxy": proxy,
	})
	if err != nil {
		panic(fmt.Sprintf("plan: %v", err)) // plain data: cannot fail
	}
	pl := &planner{s: s}
	m := Mirror{
		Image:  ImageRef{Name: s.Mirror.Image, Policies: []string{config.PullIfNotPresent}},
		Remote: s.Mirror.Remote, Config: NewSecret(string(text)), CA: ca,
		Environment: proxies(s.Proxy, nil, pl.direct(nil)), ExtraHosts: s.Network.ExtraHosts,
		Port: s.Mirror.Port, MaxSize: s.Mirror.MaxSize.Bytes(),
		PullTimeout: s.Pull.Timeout.Std(), PullAttempts: s.Pull.Attempts,
	}
	if ca != nil {
		// Go searches these folders besides the image's own file.
		m.Environment = append(m.Environment, "SSL_CERT_DIR=/etc/ssl/certs:"+path.Dir(MirrorCA))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %d", m.Image.Name, text, ca, m.Environment, m.ExtraHosts, m.Port))
	m.Name = "dind-mirror-" + hex.EncodeToString(sum[:])
	return m
}

// MirrorRemote is the host of the registry behind the mirror, in the form of [registry].
func MirrorRemote(s config.Settings) string {
	u, err := url.Parse(s.Mirror.Remote)
	if err != nil {
		return ""
	}
	return u.Host
}

// MirroredConfig is a second daemon.json, which names the mirror. A sidecar that boots the
// fast way chooses between the two.
const MirroredConfig = ConfigDir + "/gitlab-dind-executor-mirrored.json"

// bootMirror is the variable with the mirror's URL for the script askMirror.
const bootMirror = "GITLAB_DIND_EXECUTOR_MIRROR"

// withMirror returns a daemon.json that names the mirror before the settings' mirrors.
func withMirror(daemonConfig map[string]any, mirror MirrorAccess) map[string]any {
	c := maps.Clone(daemonConfig)
	list := func(key string) []string {
		l, _ := c[key].([]string)
		return l
	}
	c["registry-mirrors"] = append([]string{mirror.URL}, list("registry-mirrors")...)
	// Without this entry builds would speak TLS to the mirror.
	name := mirror.URL
	if !mirror.WithScheme {
		name = strings.TrimPrefix(name, "http://")
	}
	c["insecure-registries"] = append(slices.Clone(list("insecure-registries")), name)
	return c
}

// DaemonConfigs returns the daemon.json for the sidecar's boot, merged with the image's,
// and a second with the mirror, which the sidecar may choose instead. Each is nil if not
// needed.
func (s Sidecar) DaemonConfigs(image []byte) (config, mirrored []byte, err error) {
	var theirs map[string]any
	if json.Unmarshal(image, &theirs) == nil && (theirs["registry-mirrors"] != nil || theirs["insecure-registries"] != nil) {
		s.Mirror = nil // the image's keys win, and builds would fail with only one of ours
	}
	ours := s.DaemonConfig
	if s.Mirror != nil && !s.asksMirror() && s.Mirror.Checked {
		ours = withMirror(ours, *s.Mirror)
	}
	if config, err = MergeDaemonConfig(ours, image); err != nil || !s.asksMirror() {
		return config, nil, err
	}
	mirrored, err = MergeDaemonConfig(withMirror(s.DaemonConfig, *s.Mirror), image)
	return config, mirrored, err
}

// asksMirror tells whether the sidecar, after Fit, asks the mirror by itself.
func (s Sidecar) asksMirror() bool { return s.Mirror != nil && s.bootsFast() }
