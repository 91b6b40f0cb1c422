package config

import "slices"

// Alone are these settings for a job that leaves nothing behind and shares nothing
// with the jobs of a Runner: no sandbox that waits, no caches, no layers, nothing
// that is held after a failure, and no line in the operator's log.
func (s Settings) Alone() Settings {
	s.Pool.Size, s.Pool.Bare = 0, 0
	s.Cache.Volume, s.Cache.Paths, s.Cache.Layers = false, nil, LayersOff
	s.Cleanup.HoldFailed = 0
	s.Log.Level = LogOff
	s.Policies = slices.Clone(s.Policies)
	for i := range s.Policies {
		s.Policies[i].Cache.Layers = LayersOff
	}
	return s
}
