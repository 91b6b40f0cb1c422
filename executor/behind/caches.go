package behind

import (
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/hostfile"
)

// cachesEvery is how often what is cached is looked after behind jobs: its sizes
// cost the engine a walk over all volumes.
const cachesEvery = time.Hour

// CachesDue tells, once in that time, that it is to be looked after now. The time
// of a file in dir tells when it last was; where none can be written, such as without
// a dir, it is one job in sixteen, by the microseconds of the clock.
func CachesDue(s config.Settings, dir string, now time.Time) bool {
	if !s.Caches() {
		return false
	}
	byChance := now.Nanosecond()/1000%16 == 0
	if dir == "" {
		return byChance
	}
	state, err := hostfile.OpenOrMake(dir)
	if err != nil {
		return byChance
	}
	defer state.Close()
	const stamp = "caches-looked-after"
	if last, err := state.Modified(stamp); err == nil && last.Before(now.Add(cachesEvery)) && now.Before(last.Add(cachesEvery)) {
		return false
	}
	return state.Write(stamp, []byte(now.Format(time.RFC3339)+"\n"), 0o600) == nil || byChance
}
