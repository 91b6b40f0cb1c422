package config

import (
	"net/url"
	"path/filepath"
)

// Mirror is about a pull-through registry on the engine, shared by all its jobs.
type Mirror struct {
	Enabled bool `toml:"enabled"`
	// Image is Distribution's, or an image that takes the same configuration.
	Image string `toml:"image"`
	// Remote is the URL of the mirrored registry: the Docker Hub, or a registry with the
	// Docker Hub's images under the same names.
	Remote string `toml:"remote"`
	// Username and PasswordFile belong to an account at Remote; empty means anonymous
	// access.
	Username     string `toml:"username"`
	PasswordFile string `toml:"password_file"`
	// Port is the mirror's port on the host; 0 means any free port.
	Port int `toml:"port"`
	// MaxSize bounds the mirror's storage, in bytes; 0 means no bound.
	MaxSize Size `toml:"max_size"`
}

func validateMirror(m Mirror, f *faults) {
	f.image("mirror.image", m.Image)
	u, err := url.Parse(m.Remote)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		f.add("mirror.remote", `must be a URL like "https://registry-1.docker.io", without user and query`)
	}
	if (m.Username == "") != (m.PasswordFile == "") {
		f.add("mirror.username", "goes with mirror.password_file, and that with it")
	}
	if m.PasswordFile != "" && !filepath.IsAbs(m.PasswordFile) {
		f.add("mirror.password_file", "must be an absolute path")
	}
	if m.Port < 0 || m.Port > 65535 {
		f.add("mirror.port", "must be from 0 to 65535")
	}
}
