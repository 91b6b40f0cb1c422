package config

// Pool is about sandboxes made ahead of their jobs.
type Pool struct {
	// Size is the number of sandboxes that wait on this host, of all kinds together; 0
	// means none.
	Size int `toml:"size"`
	// Bare is the number of further sandboxes that wait without a daemon, of all kinds
	// together. Any job may take a bare sandbox. 0 means none.
	Bare int `toml:"bare"`
	// MaxAge bounds the wait of a sandbox. Another sandbox then takes its place.
	MaxAge Duration `toml:"max_age"`
	// JobTimeout is the longest timeout of jobs with a sandbox from the pool. The sandbox's
	// certificates last as long.
	JobTimeout Duration `toml:"job_timeout"`
}
