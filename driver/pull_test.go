package driver

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/images"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/group"
	"gitlab-dind-executor/test/fakeengine"
)

func TestAPullIsTriedAgainWhenARetryCanHelp(t *testing.T) {
	t.Parallel()
	down := fakeengine.Refuse(500, "dial tcp: i/o timeout")
	for name, c := range map[string]struct {
		answers []fakeengine.Answer
		pulls   int
		want    string
	}{
		"the network comes back":     {[]fakeengine.Answer{down, down}, 3, ""},
		"the connection is cut once": {[]fakeengine.Answer{fakeengine.Drop()}, 2, ""},
		"the network stays away":     {[]fakeengine.Answer{down, down, down, down}, 3, "i/o timeout"},
		"there is no such image":     {[]fakeengine.Answer{fakeengine.Refuse(404, "manifest unknown")}, 1, "manifest unknown"},
		"access is denied":           {[]fakeengine.Answer{fakeengine.Refuse(500, "denied: requested access to the resource is denied")}, 1, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			d.images.FirstPullGap = time.Millisecond
			e.Script("POST /images/create", c.answers...)
			var said []string
			im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 3, Say: func(line string) { said = append(said, line) }}
			_, err := im.Ensure(t.Context(), plan.ImageRef{Name: "redis:7", Policies: []string{"always"}})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
			if n := e.Count("POST /images/create"); n != c.pulls {
				t.Errorf("pulled %d times, want %d", n, c.pulls)
			}
			if again := strings.Count(strings.Join(said, "\n"), "trying again in"); again != c.pulls-1 {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestAnImageForAnotherPlatformIsFetchedAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		platform, policy string
		pulls            int
		want             string
	}{
		"the same":             {"linux/amd64", "if-not-present", 0, ""},
		"none asked for":       {"", "if-not-present", 0, ""},
		"another":              {"linux/arm64", "if-not-present", 1, ""},
		"another, not to pull": {"linux/arm64", "never", 0, "is on this host for linux/amd64, not for linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := fakeHost(t, nil)
			e.AddImage("redis:7", fakeengine.Image{})
			im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 1, Say: quiet}
			_, err := im.Ensure(t.Context(), plan.ImageRef{Name: "redis:7", Platform: c.platform, Policies: []string{c.policy}})
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !fault.IsOfJob(err)) {
				t.Errorf("error %v", err)
			}
			if n := e.Count("POST /images/create"); n != c.pulls {
				t.Errorf("pulled %d times, want %d", n, c.pulls)
			}
		})
	}
}

func TestAPullThatIsTooLargeEnds(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	e.Script("POST /images/create", fakeengine.Saying(`{"status":"Downloading","progressDetail":{"current":1,"total":600},"id":"a"}
{"status":"Downloading","progressDetail":{"current":1,"total":600},"id":"b"}
`), nil)
	im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 3, MaxSize: 1000, Say: quiet}
	_, err := im.Ensure(t.Context(), plan.ImageRef{Name: "redis:7", Policies: []string{"always", "if-not-present"}})
	if !fault.IsOfJob(err) || !strings.Contains(err.Error(), "larger than this runner allows") || !strings.Contains(fault.HintOf(err), "pull.max_size") {
		t.Errorf("got %v", err)
	}
	if n := e.Count("POST /images/create"); n != 1 {
		t.Errorf("pulled %d times", n)
	}
}

func TestNotAllImagesAreFetchedAtOnce(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	e.Always("POST /images/create", fakeengine.Hang())
	im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 1, Say: quiet, Slots: images.Slots(2)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var g group.Group
	for _, name := range []string{"a:1", "b:1", "c:1", "d:1", "e:1"} {
		g.Go(func() error {
			_, err := im.Ensure(ctx, plan.ImageRef{Name: name, Policies: []string{"always"}})
			return err
		})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for e.Count("POST /images/create") < 2 {
		<-tick.C
	}
	cancel()
	if err := g.Wait(); err == nil || e.Count("POST /images/create") != 2 {
		t.Errorf("%d pulls at once (%v)", e.Count("POST /images/create"), err)
	}
}

func TestAPullOfWhichNothingComesSaysSo(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	d.images.Silence = time.Millisecond
	e.Always("POST /images/create", fakeengine.Hang())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := make(chan string, 100)
	im := &images.Set{Store: d.images, Timeout: time.Minute, Attempts: 1, Say: func(line string) { said <- line }}
	var g group.Group
	g.Go(func() error {
		_, err := im.Ensure(ctx, plan.ImageRef{Name: "redis:7", Policies: []string{"always"}})
		return err
	})
	if first := <-said; first != "pulling redis:7" {
		t.Errorf("it begins with %q", first)
	}
	for range 3 {
		if line := <-said; !strings.HasPrefix(line, "pulling redis:7: the engine has told nothing for ") {
			t.Errorf("it says %q", line)
		}
	}
	cancel()
	if err := g.Wait(); err == nil {
		t.Error("there is an image")
	}
}

func TestAPullTellsItsBytesToWhoeverDrawsThem(t *testing.T) {
	t.Parallel()
	e, d := fakeHost(t, nil)
	e.Script("POST /images/create", fakeengine.Saying(`{"status":"Downloading","progressDetail":{"current":1,"total":600},"id":"a"}
{"status":"Downloading","progressDetail":{"current":200,"total":600},"id":"a"}
`))
	var told []int64
	im := &images.Set{
		Store: d.images, Timeout: time.Minute, Attempts: 1, Say: quiet,
		Progress: func(name string, current, total int64) { told = append(told, current, total) },
	}
	_, _ = im.Ensure(t.Context(), plan.ImageRef{Name: "redis:7", Policies: []string{"always"}})
	if !slices.Equal(told, []int64{1, 600, 200, 600}) {
		t.Errorf("told %v", told)
	}
}
