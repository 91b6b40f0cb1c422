package config

// Pool is about sandboxes that are made ahead and wait for jobs.
type Pool struct {
	// Size is how many wait on this host, of all kinds together; 0 means none.
	Size int `toml:"size"`
	// Bare is how many bare sandboxes wait besides, of all kinds together: without a
	// daemon, for whichever job comes. 0 means none.
	Bare int `toml:"bare"`
	// MaxAge is how long one waits before it is made anew.
	MaxAge Duration `toml:"max_age"`
	// JobTimeout is the longest timeout of jobs that get one: their certificates
	// last as long.
	JobTimeout Duration `toml:"job_timeout"`
}
