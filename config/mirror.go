package config

import (
	"net/url"
	"path/filepath"
)

// Mirror is about a pull-through registry on the engine that all its jobs share.
type Mirror struct {
	Enabled bool `toml:"enabled"`
	// Image is Distribution's, or one that takes its configuration.
	Image string `toml:"image"`
	// Remote is the URL of the registry that stands behind it: the Docker Hub's,
	// or a registry that has the Docker Hub's images under the same names.
	Remote string `toml:"remote"`
	// Username and PasswordFile are of an account there; none means anonymously.
	Username     string `toml:"username"`
	PasswordFile string `toml:"password_file"`
	// Port is that of the host on which it listens; 0 means any that is free.
	Port int `toml:"port"`
	// MaxSize is what it may store; 0 means no bound.
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
