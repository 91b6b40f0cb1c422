package monitoring

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitlab-dind-executor/test/fakeengine"
)

const (
	root  = "../.."
	files = root + "/scripts/monitoring"
	// patience is for a busy host. The whole test takes a few seconds.
	patience = time.Minute
)

var metric = regexp.MustCompile(`gitlab_dind_executor_[a-z_]+`)

// programs is the folder of prometheus and promtool.
func programs(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(root + "/scripts/prometheus")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/prometheus: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// binary is the program, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "monitoring")
	if err == nil {
		binary = filepath.Join(dir, "gitlab-dind-executor")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", binary, root).CombinedOutput(); err != nil {
			err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// world is a program with a job in its log and an engine to ask.
type world struct {
	program, settings string
}

func newWorld(t *testing.T) world {
	t.Helper()
	dir := t.TempDir()
	w := world{binary, filepath.Join(dir, "dind.toml")}
	e := fakeengine.New(t)
	settings := fmt.Sprintf("[engine]\nhost = %q\n[log]\nfile = %q\n[mirror]\nenabled = true\n", e.Host, filepath.Join(dir, "operator.log"))
	if err := os.WriteFile(w.settings, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(w.program, "--settings", w.settings, "gc").CombinedOutput(); err != nil {
		t.Fatalf("gc: %v\n%s", err, out)
	}
	return w
}

// process starts a program, which ends with the test.
func process(t *testing.T, stdout, stderr io.Writer, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
}

// serve starts metrics serve and returns its address.
func (w world) serve(t *testing.T) string {
	t.Helper()
	r, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	process(t, stdout, os.Stderr, w.program, "--settings", w.settings, "metrics", "serve", "--listen", "127.0.0.1:0")
	stdout.Close()
	defer r.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	u, found := strings.CutPrefix(strings.TrimSpace(line), "metrics at ")
	if err != nil || !found {
		t.Fatalf("metrics serve says %q, %v", line, err)
	}
	parsed, err := url.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

// prometheus starts a Prometheus that scrapes target, and returns its address.
func prometheus(t *testing.T, programs, target string) string {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(files + "/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 300ms, scrape_timeout: 300ms, evaluation_interval: 200ms}
rule_files: [%q]
scrape_configs:
  - job_name: gitlab-dind-executor
    static_configs: [{targets: [%q]}]
`, rules, target), 0o600); err != nil {
		t.Fatal(err)
	}
	return runPrometheus(t, programs, config)
}

// runPrometheus starts a Prometheus with a file of its configuration, and returns its address.
func runPrometheus(t *testing.T, programs, config string) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0") // Prometheus does not say which port it takes
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	t.Cleanup(func() {
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("prometheus:\n%s", b)
		}
	})
	process(t, log, log, filepath.Join(programs, "prometheus"), "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	return address
}

// until asks Prometheus until the answer is good.
func until[T any](t *testing.T, address, path, what string, good func(T) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		var answer struct{ Data T }
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			b, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			last = string(b)
			if json.Unmarshal(b, &answer) == nil && good(answer.Data) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s; the last answer was %.2000s", what, patience, last)
		}
	}
}

// query is the path of a question to Prometheus.
func query(q string) string { return "/api/v1/query?query=" + url.QueryEscape(q) }

func TestPrometheusReadsWhatIsServed(t *testing.T) {
	t.Parallel()
	at := programs(t)
	address := prometheus(t, at, newWorld(t).serve(t))
	type series struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	until(t, address, query(`gitlab_dind_executor_calls_total{command="gc",result="success"} == 1`), "the gc that has been", func(s series) bool { return len(s.Result) == 1 })
	until(t, address, query(`gitlab_dind_executor_prepare_seconds_bucket{origin="warm",le="+Inf"}`), "a histogram", func(s series) bool { return len(s.Result) == 1 })
	until(t, address, query(`up == 1`), "a target that is up", func(s series) bool { return len(s.Result) == 1 })
	type rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	until(t, address, "/api/v1/rules", "rules that are healthy", func(r rules) bool {
		n := 0
		for _, g := range r.Groups {
			for _, rule := range g.Rules {
				if rule.Health == "err" {
					t.Fatalf("%s: %s", rule.Name, rule.LastError)
				}
				if rule.Health == "ok" {
					n++
				}
			}
		}
		return n >= 11
	})
	until(t, address, query(`count(ALERTS{alertname="DindMirrorDown",alertstate="pending"})`), "an alert that is due", func(s series) bool { return len(s.Result) == 1 })
}

// The dashboard and the rules ask only for existing metrics. The documentation or the dashboard
// shows every existing metric.
func TestDashboardAndRulesAskForWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, err := exec.Command(w.program, "--settings", w.settings, "metrics").Output()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllStringSubmatch(string(out), -1) {
		there[m[1]] = true
		if m[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				there[m[1]+suffix] = true
			}
		}
	}
	// These metrics are missing here, because the world has no mirror and its engine is on no
	// host.
	for _, name := range []string{"mirror_bytes", "disk_free_bytes", "memory_available_bytes"} {
		there["gitlab_dind_executor_"+name] = true
	}
	var asked []string
	for _, name := range []string{"alerts.yml", "alerts_test.yml", "recording.yml", "recording_test.yml", "dashboard.json"} {
		for _, m := range metric.FindAllString(read(t, name), -1) {
			asked = append(asked, m)
			if !there[m] {
				t.Errorf("%s asks for %s, which there is not", name, m)
			}
		}
	}
	docs, err := os.ReadFile(root + "/docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metric.FindAllString(string(docs), -1) {
		asked = append(asked, m)
		if !there[m] {
			t.Errorf("docs/monitoring.md names %s, which there is not", m)
		}
	}
	for m := range there {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m, "")
		if !slices.ContainsFunc(asked, func(a string) bool { return strings.HasPrefix(a, family) }) {
			t.Errorf("%s is neither shown nor documented", m)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(files, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
