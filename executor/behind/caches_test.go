package behind

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitlab-dind-executor/config"
)

func TestWhatIsCachedIsLookedAfterOnceInAWhile(t *testing.T) {
	now := time.Now()
	keeps, not := config.Default(), config.Default()
	not.Cache.Volume, not.Cache.Layers = false, config.LayersOff
	policy := not
	policy.Policies = []config.Policy{{Cache: config.PolicyCache{Layers: config.LayersProject}}}
	for name, c := range map[string]struct {
		settings config.Settings
		// ago is the age of the last check; 0 for none.
		ago  time.Duration
		want bool
	}{
		"never yet":              {keeps, 0, true},
		"a minute ago":           {keeps, time.Minute, false},
		"two hours ago":          {keeps, 2 * time.Hour, true},
		"by a clock that is off": {keeps, -9 * time.Hour, true},
		"nothing is cached":      {not, 0, false},
		"a policy's jobs keep":   {policy, 0, true},
	} {
		dir := filepath.Join(t.TempDir(), "state")
		if c.ago != 0 {
			CachesDue(keeps, dir, now)
			stamp := filepath.Join(dir, "caches-looked-after")
			if err := os.Chtimes(stamp, now.Add(-c.ago), now.Add(-c.ago)); err != nil {
				t.Fatal(err)
			}
		}
		if got := CachesDue(c.settings, dir, now); got != c.want {
			t.Errorf("%s: due is %t", name, got)
		}
		if c.want && CachesDue(c.settings, dir, now.Add(time.Second)) {
			t.Errorf("%s: due again a second later", name)
		}
	}
	for name, dir := range map[string]string{"without a home": "", "where nothing can be written": "/proc/gitlab-dind-executor"} {
		due := 0
		for i := range 160 {
			if CachesDue(keeps, dir, now.Truncate(time.Second).Add(time.Duration(i)*time.Microsecond)) {
				due++
			}
		}
		if due != 10 {
			t.Errorf("%s: due after %d jobs of 160", name, due)
		}
		if CachesDue(not, dir, now.Truncate(time.Second)) {
			t.Errorf("%s: due where nothing is cached", name)
		}
	}
}
