package config

import "slices"

// Alone returns these settings for a job beside a Runner's jobs, which leaves nothing
// behind and shares nothing with them. Pool, caches, layers, sandboxes held after a
// failure, and lines in the operator's log are all off.
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
