package telemetry

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// job writes the lines of a job.
func job(t *testing.T, l Log, records ...Record) {
	t.Helper()
	for i, r := range records {
		r.Job, r.Time = "gitlab.example.com/1", time.Date(2026, 7, 1, 12, 0, i, 0, time.UTC)
		if r.Result == "" {
			r.Result = Success
		}
		if err := l.Write(r, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func tallied(t *testing.T, m *Meter) *Tally {
	t.Helper()
	tally, err := m.Tally()
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

func TestHowAJobEnded(t *testing.T) {
	config, prepare, run := Record{Hook: "config"}, Record{Hook: "prepare", Origin: Cold}, Record{Hook: "run"}
	cleanup := func(status string) Record { return Record{Hook: "cleanup", JobStatus: status} }
	for name, c := range map[string]struct {
		records []Record
		want    string
	}{
		"all went well":                     {[]Record{config, prepare, run, cleanup("success")}, Success},
		"its script failed":                 {[]Record{config, prepare, {Hook: "run", Result: Failed, Class: OfJob, ExitCode: 1}, cleanup("failed")}, Failed},
		"its after_script failed":           {[]Record{config, prepare, {Hook: "run", Result: Failed, Class: OfJob, ExitCode: 1}, cleanup("success")}, Success},
		"the engine failed":                 {[]Record{config, prepare, {Hook: "run", Result: Failed, Class: OfSystem}, cleanup("failed")}, SystemFailure},
		"prepare failed, no status":         {[]Record{config, {Hook: "prepare", Result: Failed, Class: OfSystem}, cleanup("")}, SystemFailure},
		"what the settings forbid":          {[]Record{config, {Hook: "prepare", Result: Failed, Class: OfJob}, cleanup("")}, Failed},
		"cancelled":                         {[]Record{config, prepare, {Hook: "run", Result: Cancelled}, cleanup("canceled")}, Canceled},
		"cancelled, no status":              {[]Record{config, {Hook: "prepare", Result: Cancelled}, cleanup("")}, Canceled},
		"cleanup alone failed":              {[]Record{config, prepare, run, {Hook: "cleanup", JobStatus: "success", Result: Failed, Class: OfSystem}}, Success},
		"it failed, and so did its cleanup": {[]Record{config, prepare, {Hook: "run", Result: Failed, Class: OfJob, ExitCode: 1}, {Hook: "cleanup", JobStatus: "failed", Result: Failed, Class: OfSystem}}, Failed},
		"cleanup alone failed, no status":   {[]Record{config, prepare, run, {Hook: "cleanup", Result: Failed, Class: OfSystem}}, Unknown},
		"no word of how":                    {[]Record{config, prepare, run, cleanup("")}, Unknown},
		"cleaned up twice":                  {[]Record{config, prepare, run, cleanup("success"), cleanup("success")}, Success},
		"a script fails after the engine":   {[]Record{prepare, {Hook: "run", Result: Failed, Class: OfSystem}, {Hook: "run", Result: Failed, Class: OfJob}, cleanup("failed")}, SystemFailure},
		"failed in what no hook knows of":   {[]Record{config, prepare, run, cleanup("failed")}, Failed},
		"prepared again after it ended so":  {[]Record{config, {Hook: "prepare", Result: Failed, Class: OfSystem}, config, prepare, run, cleanup("success")}, Success},
	} {
		m := &Meter{Log: Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxFiles: 1}}
		job(t, m.Log, c.records...)
		tally := tallied(t, m)
		for _, r := range jobResults {
			want := uint64(0)
			if r == c.want {
				want = 1
			}
			if tally.Jobs[r] != want {
				t.Errorf("%s: %d jobs with result %s", name, tally.Jobs[r], r)
			}
		}
		if len(tally.Open) != 0 {
			t.Errorf("%s: still open: %v", name, tally.Open)
		}
	}
}

func TestHowLongAJobWaitedForItsDaemon(t *testing.T) {
	for name, c := range map[string]struct {
		records []Record
		origin  string
		sum     float64
	}{
		"warm": {[]Record{{Hook: "prepare", Origin: Warm, Pooled: true, Seconds: 0.25}, {Hook: "run"}}, Warm, 0.25},
		"it boots while sources are fetched": {[]Record{
			{Hook: "prepare", Origin: Cold, Booting: true, Seconds: 0.5},
			{Hook: "run", Seconds: 9},
			{Hook: "run", Awaited: true, DaemonWait: 0.25},
			{Hook: "run", Awaited: true, DaemonWait: 7},
		}, Cold, 0.75},
		"its services took longer": {[]Record{{Hook: "prepare", Origin: Layers, Seconds: 5, Phases: map[string]float64{"services": 4}}}, Layers, 1},
		"prepare failed":           {[]Record{{Hook: "prepare", Seconds: 5, Result: Failed, Class: OfSystem}, {Hook: "run", Awaited: true, DaemonWait: 1}}, Cold, 0},
	} {
		m := &Meter{Log: Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxFiles: 1}}
		job(t, m.Log, c.records...)
		if got := tallied(t, m).Ready[c.origin].Sum; got != c.sum {
			t.Errorf("%s: %g s", name, got)
		}
	}
}

// Nothing is lost and nothing counted twice, with several readers at any time.
func TestEachLineIsCountedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "operator.log")
	l := Log{Path: path, MaxSize: 600, MaxFiles: 4}
	m, other := &Meter{Log: l}, &Meter{Log: l}
	write := func(n int) {
		for range n {
			if err := l.Write(Record{Time: time.Now(), Command: "gc", Result: Success, PID: os.Getpid()}, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // or two files could begin with the same line
		}
	}
	key := callKind{"gc", Success, ""}.key()
	var written uint64
	for _, n := range []int{1, 3, 0, 5, 12} { // the last goes over several files
		write(n)
		written += uint64(n)
		if got := tallied(t, m).Calls[key]; got != written {
			t.Errorf("%d of %d lines are counted", got, written)
		}
		if got := tallied(t, other).Calls[key]; got != written {
			t.Errorf("another reader has counted %d of %d", got, written)
		}
	}
	// A line counts when it is whole.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	half := `{"level":"info","command":"gc","result":"success"}`
	_, _ = f.WriteString(half[:20])
	if got := tallied(t, m).Calls[key]; got != written {
		t.Errorf("half a line counts: %d", got)
	}
	_, _ = f.WriteString(half[20:] + "\n")
	if got := tallied(t, m).Calls[key]; got != written+1 {
		t.Errorf("%d of %d", got, written+1)
	}
	if files, _ := filepath.Glob(path + ".tally*"); len(files) != 1 {
		t.Errorf("left over: %q", files)
	}
	written++
	// A full disk makes people take files away.
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"the log was removed", func() error { return os.Remove(path) }},
		{"it was emptied", func() error { return os.Truncate(path, 0) }},
		{"it lost its end", func() error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, int64(strings.Index(string(b), "\n")+1))
		}},
		{"an older file was removed", func() error { return os.Remove(path + ".3") }},
		{"the tally is of a version that did not note what it had read", func() error {
			b, err := os.ReadFile(path + ".tally")
			if err != nil {
				return err
			}
			return os.WriteFile(path+".tally", regexp.MustCompile(`"Done":\[[^]]*\],`).ReplaceAll(b, nil), 0o600)
		}},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 3, 0, 7} {
			write(n)
			written += uint64(n)
			if got := tallied(t, other).Calls[key]; got != written {
				t.Fatalf("%s: %d of %d lines are counted", c.what, got, written)
			}
		}
	}
}

func TestALogThatIsBroken(t *testing.T) {
	for name, content := range map[string]string{
		"nothing":               "",
		"no line":               "\x00\x00\x00",
		"not ours":              "hello\n",
		"broken":                `{"result":` + "\n",
		"an unknown command":    `{"command":"rm","result":"success"}` + "\n",
		"an unknown result":     `{"command":"gc","result":"maybe","class":"x"}` + "\n",
		"negative numbers":      `{"command":"gc","result":"success","swept":-5,"freed_bytes":-1,"pulls":-1,"pull_seconds":-2}` + "\n",
		"an endless line":       strings.Repeat("x", 3<<20) + "\n",
		"a phase that is a lie": `{"hook":"prepare","job":"j","origin":"cold","result":"success","seconds":-4,"phases":{"services":1e300}}` + "\n",
	} {
		path := filepath.Join(t.TempDir(), "operator.log")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		m := &Meter{Log: Log{Path: path, MaxFiles: 1}}
		tally := tallied(t, m)
		if tally.Swept != 0 || tally.PullSeconds != 0 || tally.Prepare[Cold].Sum != 0 {
			t.Errorf("%s: %+v", name, tally)
		}
		if err := os.WriteFile(path+".tally", []byte(`{"Calls": null, "Open": 1`), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tally, tallied(t, m)); diff != "" {
			t.Errorf("%s: (-counted +counted anew)\n%s", name, diff)
		}
	}
}

func TestATallyThatCannotBeStoredIsKeptInMemory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write everywhere: a directory stands where the tally would")
	}
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxFiles: 1}
	if err := os.MkdirAll(l.Path+".tally/x", 0o700); err != nil {
		t.Fatal(err)
	}
	m := &Meter{Log: l}
	key := callKind{"gc", Success, ""}.key()
	count := func(want uint64) *Tally {
		t.Helper()
		job(t, l, Record{Command: "gc"})
		tally := tallied(t, m)
		if got := tally.Calls[key]; got != want {
			t.Errorf("%d of %d", got, want)
		}
		return tally
	}
	earlier := count(1)
	count(2)
	count(3)
	if got := earlier.Calls[key]; got != 1 {
		t.Errorf("a tally that somebody still reads has come to %d", got)
	}
	// With room again, all readers go on from the same file.
	if err := os.RemoveAll(l.Path + ".tally"); err != nil {
		t.Fatal(err)
	}
	count(4)
	job(t, l, Record{Command: "gc"})
	if got := tallied(t, &Meter{Log: l}).Calls[key]; got != 5 {
		t.Errorf("another reader has %d of 5", got)
	}
	count(6)
}

func TestMetricsAreWhatPrometheusWants(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	tally := newTally()
	tally.Prepare[Warm].observe(0.2)
	tally.Prepare[Warm].observe(1000)
	tally.add(Record{Hook: "prepare", Job: "j", Origin: Cold, Pooled: true, Result: Success, Seconds: 2})
	m := Metrics{Tally: tally, Now: Now{Version: "1.0.0", EngineUp: true, Sandboxes: map[string]int{"running": 2}, DiskFree: -1, MirrorBytes: -1}}
	if err := r.Register(m); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		// last_gc_… is a time, as node_exporter and others name theirs.
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP gitlab_dind_executor_pool_claims_total Jobs that looked for a waiting sandbox, by result: hit or miss.
# TYPE gitlab_dind_executor_pool_claims_total counter
gitlab_dind_executor_pool_claims_total{result="hit"} 0
gitlab_dind_executor_pool_claims_total{result="miss"} 1
# HELP gitlab_dind_executor_sandboxes Present sandboxes, by state as in the command status.
# TYPE gitlab_dind_executor_sandboxes gauge
gitlab_dind_executor_sandboxes{state="running"} 2
`), prefix+"pool_claims_total", prefix+"sandboxes", prefix+"disk_free_bytes"); err != nil {
		t.Error(err)
	}
}

// Any user who can read a directory can lock it for any time.
func TestALockOnTheDirectoryHoldsNobodyUp(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxFiles: 1}
	if err := l.Write(full, nil); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(filepath.Dir(l.Path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Meter{Log: l}).Tally(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(l.Path + ".lock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("anybody can hold the lock: %v, %v", info, err)
	}
}
