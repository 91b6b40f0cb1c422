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

// Where things are in the mirror's container.
const (
	MirrorPort    = 5000
	MirrorStorage = "/var/lib/registry" // a VOLUME of the official image
	MirrorConfig  = "/etc/gitlab-dind-executor/mirror.yml"
	MirrorCA      = "/etc/gitlab-dind-executor/ca/remote.crt"
)

// Mirror is the pull-through registry that all jobs of an engine share.
type Mirror struct {
	// Name is the container's. It says which settings it is for, so that a
	// change of those makes another one.
	Name  string
	Image ImageRef
	// Remote is the URL of the registry behind it.
	Remote string
	// Config is Distribution's configuration, which may hold a password.
	Config Secret
	// CA is the remote's, PEM; nil for one that everybody knows.
	CA          []byte
	Environment []string
	ExtraHosts  []string
	// Port is the host's; 0 means any that is free.
	Port int
	// MaxSize is what the storage may hold, in bytes; 0 means no bound.
	MaxSize int64
	// PullTimeout and PullAttempts are for its image.
	PullTimeout  time.Duration
	PullAttempts int
}

// MirrorAccess is how the daemons of jobs reach the mirror.
type MirrorAccess struct {
	// ID is that of the mirror's container, 12 hex digits.
	ID string
	// URL is without a path.
	URL string
	// Checked says that it has just answered. Where the engine is elsewhere
	// nobody can tell from here.
	Checked bool
	// WithScheme has insecure-registries name it by its URL. Fit sets it for releases
	// that need it.
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

// BuildMirror makes the plan of the mirror. password is that of mirror.username
// and ca the remote's, if they are given.
func BuildMirror(s config.Settings, password Secret, ca []byte) Mirror {
	proxy := map[string]string{"remoteurl": s.Mirror.Remote}
	if s.Mirror.Username != "" {
		proxy["username"], proxy["password"] = s.Mirror.Username, password.Reveal()
	}
	// JSON is YAML, too. With delete off, Distribution cannot remove what has
	// outlived its week; nobody else may delete from a mirror.
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
		// Go looks into these besides the image's own file.
		m.Environment = append(m.Environment, "SSL_CERT_DIR=/etc/ssl/certs:"+path.Dir(MirrorCA))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %d", m.Image.Name, text, ca, m.Environment, m.ExtraHosts, m.Port))
	m.Name = "dind-mirror-" + hex.EncodeToString(sum[:])
	return m
}

// MirrorRemote is the host of the registry behind the mirror, as [registry]
// names it.
func MirrorRemote(s config.Settings) string {
	u, err := url.Parse(s.Mirror.Remote)
	if err != nil {
		return ""
	}
	return u.Host
}

// MirroredConfig is where the sidecar that boots the fast way finds the
// daemon.json that names the mirror, besides the one that does not.
const MirroredConfig = ConfigDir + "/gitlab-dind-executor-mirrored.json"

// bootMirror is the variable by which askMirror learns of the mirror.
const bootMirror = "GITLAB_DIND_EXECUTOR_MIRROR"

// withMirror is a daemon.json that names the mirror before the settings' own.
func withMirror(daemonConfig map[string]any, mirror MirrorAccess) map[string]any {
	c := maps.Clone(daemonConfig)
	list := func(key string) []string {
		l, _ := c[key].([]string)
		return l
	}
	c["registry-mirrors"] = append([]string{mirror.URL}, list("registry-mirrors")...)
	// Else builds speak TLS to it.
	name := mirror.URL
	if !mirror.WithScheme {
		name = strings.TrimPrefix(name, "http://")
	}
	c["insecure-registries"] = append(slices.Clone(list("insecure-registries")), name)
	return c
}

// DaemonConfigs are the daemon.json that the sidecar boots with, merged with
// the image's, and the one with the mirror that it may choose instead; nil where
// there is nothing to write or to choose.
func (s Sidecar) DaemonConfigs(image []byte) (config, mirrored []byte, err error) {
	var theirs map[string]any
	if json.Unmarshal(image, &theirs) == nil && (theirs["registry-mirrors"] != nil || theirs["insecure-registries"] != nil) {
		s.Mirror = nil // those of the image win, and with one of ours alone builds would fail
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

// asksMirror tells whether the sidecar, as it fits its image, asks the mirror
// by itself.
func (s Sidecar) asksMirror() bool { return s.Mirror != nil && s.bootsFast() }
