package executor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

func TestSeedsAreTold(t *testing.T) {
	wanting := "[cache]\nseed_images = [\"debian:12\"]\n"
	s, err := config.Parse("x", []byte(wanting))
	if err != nil {
		t.Fatal(err)
	}
	seed := func(e *fakeengine.Engine, name, wish string, age time.Duration) {
		l := map[string]string{
			"gitlab-dind-executor.role": "seed", "gitlab-dind-executor.seed": wish,
			"gitlab-dind-executor.created": time.Now().Add(-age).UTC().Format(time.RFC3339),
		}
		e.AddVolume(name, l)
		l["gitlab-dind-executor.role"], l["gitlab-dind-executor.of"] = "mark", name
		e.AddVolume(name+"-ready", l)
	}
	wanted := plan.SeedWishes(s)[0].ID
	for name, c := range map[string]struct {
		settings string
		seeds    map[string]time.Duration
		args     []string
		code     int
		want     string
	}{
		"none is wanted":     {args: []string{"seed"}, want: "made 0: cache.seed_images is empty"},
		"none is there":      {args: []string{"seed", "status"}, want: "there is no seed, and the settings want none"},
		"one is missing":     {settings: wanting, args: []string{"seed", "status"}, want: "1 of 1 seeds are missing: gitlab-dind-executor seed makes them"},
		"the newest serves":  {settings: wanting, seeds: map[string]time.Duration{"a": 3 * time.Hour, "b": 2 * time.Hour}, args: []string{"seed", "status"}, want: "b     2h   serves         docker:dind  docker.io/library/debian:12\na     3h   to be removed"},
		"gc says why":        {settings: wanting, seeds: map[string]time.Duration{"a": 3 * time.Hour, "b": 2 * time.Hour}, args: []string{"gc"}, want: "removed seed a: no settings use it any more, or a newer one serves"},
		"all can be removed": {settings: wanting, seeds: map[string]time.Duration{"a": 3 * time.Hour}, args: []string{"seed", "remove"}, want: "removed 1"},
		"not for rootless": {
			settings: wanting + "[sidecar]\nprivilege = \"rootless\"\nimage = \"docker:dind-rootless\"\n", args: []string{"seed"},
			want: `no seed for docker:dind-rootless: sidecar.privilege is "rootless"`,
		},
		"one that cannot be made": {settings: wanting, args: []string{"seed"}, code: 99},
	} {
		t.Run(name, func(t *testing.T) {
			e := fakeengine.New(t)
			if c.code != 0 {
				e.Script("POST /images/create", fakeengine.Refuse(404, "pull access denied for docker, repository does not exist"))
			}
			for name, age := range c.seeds {
				seed(e, name, wanted, age)
			}
			file := filepath.Join(t.TempDir(), "dind.toml")
			if err := os.WriteFile(file, []byte("[engine]\nhost = \""+e.Host+"\"\n"+c.settings), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, log := hook(t, e, with(""), append(c.args, "--settings", file)...)
			if code != c.code || !strings.Contains(stdout, c.want) {
				t.Errorf("exit code %d, said %q and %q", code, stdout, log)
			}
			if c.code == 0 {
				return
			}
			for _, want := range []string{"error: pulling image docker:dind", "hint: check the name in the settings", "1 of 1 seeds could not be made"} {
				if !strings.Contains(log, want) {
					t.Errorf("the log lacks %q: %s", want, log)
				}
			}
		})
	}
}
