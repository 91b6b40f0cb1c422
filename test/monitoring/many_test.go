package monitoring

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestRecordingRules(t *testing.T) {
	t.Parallel()
	at := programs(t)
	for _, args := range [][]string{{"check", "rules", "recording.yml"}, {"test", "rules", "recording_test.yml"}} {
		cmd := exec.Command(filepath.Join(at, "promtool"), args...)
		cmd.Dir = files
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests := read(t, "recording_test.yml")
	page, err := os.ReadFile(root + "/docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`- record: (\S+)`).FindAllStringSubmatch(read(t, "recording.yml"), -1)
	if len(found) < 5 {
		t.Errorf("only %d rules were found", len(found))
	}
	for _, m := range found {
		if !strings.Contains(tests, m[1]) {
			t.Errorf("no test of %s", m[1])
		}
		if !strings.Contains(string(page), "`"+m[1]+"`") {
			t.Errorf("docs/monitoring.md does not tell of %s", m[1])
		}
	}
}

// aRunner serves the metrics of a Runner of eight jobs at an address.
func aRunner(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# TYPE gitlab_runner_concurrent gauge\ngitlab_runner_concurrent 8\n")
	}))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
}

// Two addresses of this host stand for two hosts. Prometheus scrapes them with the shipped
// files, and sums their numbers.
func TestPrometheusScrapesManyHosts(t *testing.T) {
	t.Parallel()
	at := programs(t)
	dir := t.TempDir()
	for _, name := range []string{"alerts.yml", "recording.yml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.ReplaceAll(read(t, "prometheus.yml"), "_interval: 30s", "_interval: 300ms")
	if !strings.Contains(config, "300ms") {
		t.Error("prometheus.yml says no interval")
	}
	name := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var hosts []string
	for n := range 2 {
		host := fmt.Sprintf("127.94.56.%d", n+1)
		hosts = append(hosts, host)
		w := newWorld(t)
		process(t, io.Discard, os.Stderr, w.program, "--settings", w.settings, "metrics", "serve", "--listen", host+":9456")
		aRunner(t, host+":9252")
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts.yml"), fmt.Appendf(nil, "- targets: [%s]\n", strings.Join(hosts, ", ")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(filepath.Join(at, "promtool"), "check", "config", name).CombinedOutput(); err != nil {
		t.Fatalf("promtool check config: %v\n%s", err, out)
	}
	address := runPrometheus(t, at, name)
	type series struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	for _, q := range []string{
		"dind:hosts:count == 2", "dind:hosts_up:count == 2", "dind:busy:ratio == 0", "count(dind:jobs:increase1h) > 0",
		`gitlab_dind_executor_build_info{instance="` + hosts[1] + `"}`,
	} {
		until(t, address, query(q), q, func(s series) bool { return len(s.Result) == 1 })
	}
}
