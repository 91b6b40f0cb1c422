package executor

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitlab-dind-executor/test/fakeengine"
)

// aSystemd is a systemctl that notes its calls and knows a unit of the Runner. The result
// is the file of the calls.
func aSystemd(t *testing.T, killSignal int) string {
	t.Helper()
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	program := fmt.Sprintf("#!/bin/sh\necho \"$*\" >>%s\nif [ \"$1\" = show ]; then printf 'LoadState=loaded\\nKillSignal=%d\\n'; fi\n", calls, killSignal)
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(program), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return calls
}

// anAWS is AWS's metadata service, which interrupts this spot instance after a time.
func anAWS(t *testing.T, after time.Duration) {
	t.Helper()
	says := map[string]string{
		"/latest/api/token": "a-token", "/latest/meta-data/instance-id": "i-0123456789abcdef0",
		"/latest/meta-data/spot/instance-action": fmt.Sprintf(`{"action":"terminate","time":%q}`, time.Now().Add(after).UTC().Format(time.RFC3339)),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said, known := says[r.URL.Path]; known {
			fmt.Fprint(w, said)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	t.Setenv(envMetadata, server.URL)
}

// A host that the cloud takes away stops its Runner, drains, and ends the other jobs before
// the host goes.
func TestADrainOnNoticeStopsTheRunnerAndEndsWhatIsLeft(t *testing.T) {
	drainEvery = time.Millisecond
	t.Cleanup(func() { drainEvery = 2 * time.Second })
	e := fakeengine.New(t)
	t.Setenv("DOCKER_HOST", e.Host)
	calls := aSystemd(t, 3)
	drain := func() (int, string, string) {
		var out, log bytes.Buffer
		code := Main([]string{"--settings", "/dev/null", "drain", "--on-notice"}, nil, &out, &log)
		return code, out.String(), log.String()
	}
	const said = "AWS takes this host away at "
	anAWS(t, time.Hour)
	code, out, log := drain()
	if code != 0 || !strings.HasPrefix(out, said) || !strings.HasSuffix(out, ": the spot instance is interrupted\nno job is left\n") || log != "" {
		t.Errorf("exit code %d, said %q and %q", code, out, log)
	}
	const asked = "show --property=LoadState,KillSignal -- gitlab-runner.service\nstop --no-block -- gitlab-runner.service\n"
	if got, err := os.ReadFile(calls); err != nil || string(got) != asked {
		t.Errorf("systemd was told %q (%v)", got, err)
	}

	defer aJobOn(t, e)()
	anAWS(t, lastWords)
	code, out, log = drain()
	if code != 2 || !strings.HasPrefix(out, said) || !strings.HasSuffix(out, "the host goes: jobs that are left end now\n") || !strings.Contains(log, "there is still job gitlab.example.com/1000") {
		t.Errorf("exit code %d, said %q and %q", code, out, log)
	}
	if got, err := os.ReadFile(calls); err != nil || string(got) != asked+asked+"kill --kill-who=main --signal=SIGTERM -- gitlab-runner.service\n" {
		t.Errorf("systemd was told %q (%v)", got, err)
	}
}

// systemctl stop of the unit is no failure of the unit.
func TestADrainOnNoticeEndsWhenTold(t *testing.T) {
	for name, after := range map[string]time.Duration{"a host that goes soon": 50 * time.Second, "a host that goes later": time.Hour} {
		t.Run(name, func(t *testing.T) {
			e := fakeengine.New(t)
			t.Setenv("DOCKER_HOST", e.Host)
			calls := aSystemd(t, 3)
			defer aJobOn(t, e)()
			anAWS(t, after)
			var log bytes.Buffer
			out := &saying{text: "waiting for job gitlab.example.com/1000 (making)\n", then: func() {
				if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}}
			code := Main([]string{"--settings", "/dev/null", "drain", "--on-notice", "--timeout", "1m"}, nil, out, &log)
			if code != 0 || log.Len() > 0 || !strings.HasSuffix(out.String(), out.text+"told to end; jobs that are left go on\n") {
				t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
			}
			if got, err := os.ReadFile(calls); err != nil || strings.Contains(string(got), "kill") {
				t.Errorf("systemd was told %q (%v)", got, err)
			}
		})
	}
}

// A script that drains before a reboot must not go on to it.
func TestADrainThatIsToldToEndHasNotDrained(t *testing.T) {
	e := fakeengine.New(t)
	t.Setenv("DOCKER_HOST", e.Host)
	defer aJobOn(t, e)()
	var log bytes.Buffer
	out := &saying{text: "waiting for job gitlab.example.com/1000 (making)\n", then: func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}}
	if code := Main([]string{"--settings", "/dev/null", "drain"}, nil, out, &log); code != 2 {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
}

// An engine that fails for a moment says nothing of the jobs, which keep their time.
func TestAnEngineThatFailsEndsNoJobBeforeTheHostGoes(t *testing.T) {
	noticeEvery = time.Millisecond
	t.Cleanup(func() { noticeEvery = 5 * time.Second })
	e := fakeengine.New(t)
	e.Script("GET /networks", fakeengine.Refuse(http.StatusInternalServerError, "not now"))
	t.Setenv("DOCKER_HOST", e.Host)
	calls := aSystemd(t, 3)
	anAWS(t, 10*time.Minute)
	var out, log bytes.Buffer
	code := Main([]string{"--settings", "/dev/null", "drain", "--on-notice"}, nil, &out, &log)
	if code != 0 || !strings.HasSuffix(out.String(), "\nno job is left\n") || !strings.HasPrefix(log.String(), "error: ") || !strings.Contains(log.String(), "not now") {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
	if got, err := os.ReadFile(calls); err != nil || strings.Contains(string(got), "kill") {
		t.Errorf("systemd was told %q (%v)", got, err)
	}
}

// An engine that is stuck does not take the Runner's time to end jobs.
func TestAStuckEngineDoesNotKeepTheRunnerFromEndingItsJobs(t *testing.T) {
	lastLook = 50 * time.Millisecond
	t.Cleanup(func() { lastLook = 10 * time.Second })
	e := fakeengine.New(t)
	e.Always("GET /networks", fakeengine.Hang())
	t.Setenv("DOCKER_HOST", e.Host)
	calls := aSystemd(t, 3)
	anAWS(t, lastWords)
	var out, log bytes.Buffer
	began := time.Now()
	code := Main([]string{"--settings", "/dev/null", "drain", "--on-notice"}, nil, &out, &log)
	if code == 0 || !strings.HasSuffix(out.String(), "the host goes: jobs that are left end now\n") {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
	if got, err := os.ReadFile(calls); err != nil || !strings.HasSuffix(string(got), "kill --kill-who=main --signal=SIGTERM -- gitlab-runner.service\n") {
		t.Errorf("systemd was told %q (%v)", got, err)
	}
	if took := time.Since(began); took > lastWords {
		t.Errorf("the host is gone: it took %s", took)
	}
}

// A Runner that a stop kills with its jobs is left alone. Its admin hears of this at once,
// and not when the host goes.
func TestADrainOnNoticeWantsARunnerThatEndsWithItsLastJob(t *testing.T) {
	calls := aSystemd(t, 15)
	anAWS(t, time.Hour)
	var out, log bytes.Buffer
	code := Main([]string{"--settings", "/dev/null", "drain", "--on-notice"}, nil, &out, &log)
	const want = "error: gitlab-runner.service ends its jobs at once when it is stopped\nhint: give its unit KillSignal=SIGQUIT"
	if code != 2 || out.Len() > 0 || !strings.HasPrefix(log.String(), want) {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
	if got, _ := os.ReadFile(calls); strings.Contains(string(got), "stop") {
		t.Errorf("systemd was told %q", got)
	}
}

func TestADrainEndsBeforeTheHostGoes(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		at    time.Time
		bound time.Duration
		short bool
	}{
		"a cloud that names no time":   {time.Time{}, time.Hour, false},
		"a host that goes much later":  {now.Add(2 * time.Hour), time.Hour, false},
		"a spot instance":              {now.Add(2 * time.Minute), 100 * time.Second, true},
		"a host that goes in a moment": {now.Add(time.Second), 0, true},
		"a host that is gone already":  {now.Add(-time.Hour), 0, true},
	} {
		if bound, short := untilGone(c.at, now, time.Hour); bound != c.bound || short != c.short {
			t.Errorf("%s: %s, %t", name, bound, short)
		}
	}
}
