package behind

import (
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/hostfile"
)

// cachesEvery is the least time between two checks of the caches behind jobs. The sizes
// cost the engine a walk over all volumes.
const cachesEvery = time.Hour

// CachesDue tells, once in cachesEvery, whether the caches need a check now. A file in dir
// bears the time of the last check. Without dir, or where no file can be written, one job
// in sixteen checks, by the microseconds of the clock.
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
