package executor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/executor/telemetry"
	"gitlab-dind-executor/test/fakeengine"
)

// alone are settings for hooks that start nothing behind themselves.
const alone = "[job]\nstart_early = []\n[cache]\nvolume = false\nlayers = \"off\"\n"

// With default settings, a Runner started by systemd has no home, and the units have no
// home that they can write.
func TestUnitsCountWhatTheHooksOfARunnerWithoutAHomeWrite(t *testing.T) {
	e := fakeengine.New(t)
	logs := filepath.Join(t.TempDir(), "gitlab-dind-executor")
	before := thisHost
	thisHost = func() telemetry.Host { return telemetry.Host{Systemd: true, Logs: logs, LogsOwner: os.Geteuid()} }
	defer func() { thisHost = before }()
	settings := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(settings, []byte("[engine]\nhost = \""+e.Host+"\"\n"+alone), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"config", "prepare", "cleanup"} {
		if code, _, log := hookWith(t, e, []string{"CUSTOM_ENV_CI_JOB_STATUS=success"}, with(""), "--settings", settings, h); code != 0 || strings.Contains(log, "warning") {
			t.Fatalf("%s: exit code %d, %s", h, code, log)
		}
	}
	code, out, log := hookWith(t, e, []string{"HOME=/proc"}, with(""), "--settings", settings, "metrics")
	if code != 0 || log != "" || !strings.Contains(out, `gitlab_dind_executor_jobs_total{result="success"} 1`+"\n") {
		t.Errorf("exit code %d, %s\n%s", code, log, out)
	}
}

func TestMetricsOfWhatHooksDid(t *testing.T) {
	e := fakeengine.New(t)
	settings, _ := withLog(t, e, alone)
	for _, h := range []string{"config", "prepare", "cleanup"} {
		if code, _, log := hookWith(t, e, []string{"CUSTOM_ENV_CI_JOB_STATUS=failed"}, with(""), "--settings", settings, h); code != 0 {
			t.Fatalf("%s: %s", h, log)
		}
	}
	prom := filepath.Join(t.TempDir(), "dind.prom")
	for range 2 { // the second has nothing new to count
		if code, _, log := hook(t, e, with(""), "--settings", settings, "metrics", "--textfile", prom); code != 0 || log != "" {
			t.Fatalf("exit code %d: %s", code, log)
		}
	}
	b, err := os.ReadFile(prom)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(prom); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("node_exporter may not read it: %v, %v", info.Mode(), err)
	}
	code, stdout, log := hook(t, e, with(""), "--settings", settings, "metrics")
	steady := func(text string) string { // the host's memory varies
		return regexp.MustCompile(`(?m)^gitlab_dind_executor_memory_available_bytes .*`).ReplaceAllString(text, "")
	}
	if diff := cmp.Diff(steady(string(b)), steady(stdout)); code != 0 || diff != "" {
		t.Errorf("exit code %d, %s; (-in the file +printed)\n%s", code, log, diff)
	}
	for _, want := range []string{
		`jobs_total{result="failed"} 1`, `jobs_total{result="success"} 0`, `prepare_seconds_count{origin="cold"} 1`, `prepare_seconds_count{origin="warm"} 0`,
		`calls_total{class="",command="prepare",result="success"} 1`, `calls_total{class="",command="cleanup",result="success"} 1`,
		`engine_up 1`, `sandboxes{state="running"} 0`, `sandboxes{state="orphan"} 0`, `pulls_total{result="success"} `, `last_gc_timestamp_seconds 0`, `caches{kind="layers"} 0`,
	} {
		if !strings.Contains(stdout, "\ngitlab_dind_executor_"+want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestMetricsWithoutAnEngineOrALog(t *testing.T) {
	e := fakeengine.New(t)
	settings := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(settings, []byte("[engine]\nhost = \"unix:///nowhere/docker.sock\"\n[log]\nlevel = \"off\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, log := hook(t, e, with(""), "--settings", settings, "metrics")
	if code != 0 || !strings.Contains(stdout, "gitlab_dind_executor_engine_up 0\n") || !strings.Contains(stdout, `jobs_total{result="failed"} 0`) {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	for _, want := range []string{"warning: there is no operator's log", "error: ", "hint: the docker engine at unix:///nowhere/docker.sock does not answer"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in %q", want, log)
		}
	}
	for _, bad := range [][]string{{"--textfile", "x.txt"}, {"--textfile", "/nowhere/x.prom"}, {"serve", "--listen", "nowhere"}, {"serve", "--listen", "127.0.0.1:99999"}} {
		if code, _, log := hook(t, e, with(""), append([]string{"--settings", settings, "metrics"}, bad...)...); code == 0 || !strings.Contains(log, "error: ") {
			t.Errorf("%q: exit code %d, %s", bad, code, log)
		}
	}
}

func TestAJobThatFailsInTheLogAndTheMetrics(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, alone)
	call := func(want int, env string, args ...string) {
		t.Helper()
		if code, _, log := hookWith(t, e, []string{env}, with(""), append([]string{"--settings", settings}, args...)...); code != want {
			t.Fatalf("%q: exit code %d, %s", args, code, log)
		}
	}
	call(0, "", "config")
	call(0, "", "prepare")
	e.ExecCode = 3
	call(98, "", "run", stageScript(t), "get_sources")
	e.ExecCode = 0
	call(0, "CUSTOM_ENV_CI_JOB_STATUS=failed", "cleanup")
	call(0, "CUSTOM_ENV_CI_JOB_STATUS=failed", "cleanup") // GitLab Runner may call cleanup twice
	e.AddVolume("dind-aaaaaaaaaaaa-data", map[string]string{"gitlab-dind-executor.sandbox": "aaaaaaaaaaaa", "gitlab-dind-executor.role": "data"})
	call(0, "", "gc")

	list, raw := logged(t, file)
	list = slices.DeleteFunc(list, func(r telemetry.Record) bool { return r.Command == "finish" })
	if len(list) != 6 {
		t.Fatalf("%s", raw)
	}
	run := list[2]
	if run.Stage != "get_sources" || run.ExitCode != 3 || run.Class != telemetry.OfJob || run.Error != "" {
		t.Errorf("%+v", run)
	}
	if list[3].JobStatus != "failed" || list[5].Swept != 1 {
		t.Errorf("%s", raw)
	}
	code, stdout, log := hook(t, e, with(""), "--settings", settings, "metrics")
	if code != 0 {
		t.Fatal(log)
	}
	for _, want := range []string{
		`jobs_total{result="failed"} 1`, `jobs_total{result="system_failure"} 0`, `jobs_total{result="unknown"} 0`,
		`calls_total{class="job",command="run",result="failed"} 1`, `swept_sandboxes_total 1`,
	} {
		if !strings.Contains(stdout, "\ngitlab_dind_executor_"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(stdout, "last_gc_timestamp_seconds 0\n") {
		t.Error("the gc is not noticed")
	}
}

// A job's vain wait for a daemon does not count as a daemon's boot time.
func TestADaemonThatNeverAnsweredIsNotCountedAsReady(t *testing.T) {
	e := fakeengine.New(t)
	settings, file := withLog(t, e, alone)
	for _, h := range []string{"config", "prepare"} {
		if code, _, log := hook(t, e, with(""), "--settings", settings, h); code != 0 {
			t.Fatalf("%s: %s", h, log)
		}
	}
	list, raw := logged(t, file)
	prepare := list[1]
	if !prepare.Booting {
		t.Fatalf("prepare has waited for the daemon: %s", raw)
	}
	e.Exit("dind-"+prepare.Sandbox+"-sidecar", 1)
	if code, _, log := hook(t, e, with(""), "--settings", settings, "run", stageScript(t), "build_script"); code != 99 {
		t.Fatalf("run: exit code %d, %s", code, log)
	}
	if list, raw = logged(t, file); list[2].Awaited || list[2].Class != telemetry.OfSystem {
		t.Errorf("%s", raw)
	}
	if _, stdout, _ := hook(t, e, with(""), "--settings", settings, "metrics"); !strings.Contains(stdout, `ready_seconds_count{origin="cold"} 0`) {
		t.Error("it counts as ready")
	}
}

// Questions to the engine have a bound of their own. An engine that walks its volumes for
// too long is up.
func TestVolumesThatTakeTooLongToMeasure(t *testing.T) {
	old := textfileBound
	textfileBound = time.Second
	t.Cleanup(func() { textfileBound = old })
	e := fakeengine.New(t)
	e.AddVolume("dind-data-0123456789ab-0", map[string]string{
		"gitlab-dind-executor.scope": "gitlab.example.com/42", "gitlab-dind-executor.role": "data",
		"gitlab-dind-executor.created": time.Now().UTC().Format(time.RFC3339),
	})
	e.Always("GET /system/df", fakeengine.Hang())
	code, stdout, log := hook(t, e, with(""), "metrics")
	if code != 0 || !strings.Contains(stdout, "\ngitlab_dind_executor_engine_up 1\n") || e.Count("GET /system/df") == 0 {
		t.Errorf("exit code %d, %s%s", code, stdout, log)
	}
}

func TestATextfileThatNobodyReadsIsRefusedAtOnce(t *testing.T) {
	e := fakeengine.New(t)
	code, _, log := hook(t, e, with(""), "metrics", "--textfile", filepath.Join(t.TempDir(), "dind.txt"))
	if code == 0 || !strings.Contains(log, "node_exporter reads files that end in .prom") || len(e.Calls()) != 0 {
		t.Errorf("exit code %d, %s, and the engine was asked %q", code, log, e.Calls())
	}
}
