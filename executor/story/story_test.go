package story

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/executor/bundle"
	"gitlab-dind-executor/executor/telemetry"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// after is a call that ends at a number of seconds after noon.
func after(end, took float64, r telemetry.Record) telemetry.Record {
	r.Time, r.Seconds = noon.Add(inSeconds(end)), took
	if r.Result == "" {
		r.Result = telemetry.Success
	}
	if r.Command == "" {
		r.Job, r.JobID, r.Project, r.Ref = "gitlab.example.com/4711", 4711, "group/app", "feature/a-long-name"
	} else {
		r.Behind = "gitlab.example.com/4711"
	}
	return r
}

// failed is a job that failed in its script.
func failed() Job {
	history := []telemetry.Record{
		after(0.05, 0.05, telemetry.Record{Hook: "config"}),
		after(4.2, 4.1, telemetry.Record{
			Hook: "prepare", URL: "https://gitlab.example.com/group/app/-/jobs/4711", JobStage: "build", Origin: telemetry.Cold, Phases: map[string]float64{"engine": 0.004, "plan": 0.08, "room": 0.001, "sandbox": 4.0}, Pulls: 2, PullSeconds: 5.3,
			Images: []telemetry.Pull{{Image: "registry.example.com/group/app/builder:1.2", After: 0.1, Seconds: 3.2, Bytes: 187 << 20}, {Image: "docker:28-dind", After: 0.1, Seconds: 2.1, Bytes: 96 << 20}},
		}),
		after(5.4, 1.1, telemetry.Record{Hook: "run", Stage: "get_sources"}),
		after(6.1, 0.6, telemetry.Record{Hook: "run", Stage: "restore_cache"}),
		after(31.4, 25.2, telemetry.Record{Hook: "run", Stage: "build_script", DaemonWait: 0.4, Result: telemetry.Failed, Class: telemetry.OfJob, ExitCode: 1, Error: "the docker daemon of this job has ended by itself", Hint: "look at limits.sidecar.memory"}),
		after(31.9, 0.3, telemetry.Record{Hook: "run", Stage: "after_script"}),
		after(32.4, 0.3, telemetry.Record{Hook: "run", Stage: "cleanup_file_variables"}),
		after(32.9, 0.4, telemetry.Record{Hook: "cleanup", JobStatus: telemetry.Failed}),
		after(35.1, 2.1, telemetry.Record{Command: "finish"}),
	}
	b := bundle.Bundle{
		Job: "gitlab.example.com/4711", Project: "group/app", URL: "https://gitlab.example.com/group/app/-/jobs/4711", Ref: "feature/a-long-name", Stage: "build",
		Time: noon.Add(33 * time.Second), Version: "1.0.0",
		Report: looking.Report{
			Sandbox: "8d1fbe2c04aa", Created: noon.Add(time.Second),
			Usage: looking.Usage{Received: 412_000_000, Written: 1_900_000_000, Disk: 900 << 20, PeakMemory: 3 << 30, Boot: 1200 * time.Millisecond, Layers: "reused"},
			Containers: []looking.ContainerReport{
				{Name: "dind-8d1fbe2c04aa-helper", Role: "helper", Image: "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v18.6.6", Status: "running", Started: noon},
				{Name: "dind-8d1fbe2c04aa-job", Role: "job", Image: "registry.example.com/group/app/builder:1.2", Status: "exited", ExitCode: 1, Started: noon.Add(6 * time.Second), Finished: noon.Add(31 * time.Second)},
				{Name: "dind-8d1fbe2c04aa-sidecar", Role: "sidecar", Image: "docker:28-dind", Status: "exited", ExitCode: 137, OutOfMemory: true, Started: noon.Add(2 * time.Second), Finished: noon.Add(30 * time.Second)},
			},
			SidecarLog: []string{
				`2026-07-01T12:00:03.1Z time="2026-07-01T12:00:03Z" level=info msg="API listen on [::]:2376"`,
				`2026-07-01T12:00:29.8Z time="2026-07-01T12:00:29Z" level=error msg="attach failed with error: context canceled" module=a-module-with-a-very-long-name-that-does-not-break`,
			},
		},
	}
	return Job{Key: "gitlab.example.com/4711", Now: noon.Add(time.Hour), Version: "1.0.0"}.Tell(nil, []bundle.Bundle{b}, history)
}

// running is a job in the middle of its script.
func running() Job {
	out := noon.Add(time.Hour)
	j := failed()
	j.Bundle, j.History, j.Now = nil, j.History[:4], noon.Add(20*time.Second)
	j.Sandbox = &looking.SandboxStatus{
		Sandbox: "8d1fbe2c04aa", State: looking.Running, Job: j.Key, Project: "group/app", Ref: "feature/a-long-name", Stage: "build",
		URL: "https://gitlab.example.com/group/app/-/jobs/4711", Created: noon.Add(time.Second), TimesOut: &out,
	}
	j.Live = &looking.Report{Sandbox: "8d1fbe2c04aa", Created: noon.Add(time.Second), Usage: looking.Usage{Memory: 1 << 30, Received: 1 << 20}, Containers: []looking.ContainerReport{{Role: "job", Image: "docker:cli", Status: "running", Started: noon}}}
	return j
}

// succeeded is a job that only the log remembers.
func succeeded() Job {
	j := failed()
	j.Bundle = nil
	for i := range j.History {
		j.History[i].Result, j.History[i].Error, j.History[i].Hint, j.History[i].ExitCode = telemetry.Success, "", "", 0
		if j.History[i].Hook == "cleanup" {
			j.History[i].JobStatus = telemetry.Success
		}
		if j.History[i].Stage == "cleanup_file_variables" {
			j.History[i].Used = &telemetry.Used{PeakMemory: 1 << 30, Received: 5 << 20, Disk: 7 << 20, Layers: "first"}
		}
	}
	return j
}

// pageOf returns the page of a job.
func pageOf(t *testing.T, j Job) string {
	t.Helper()
	var out strings.Builder
	if err := j.Page(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStoriesAreToldAsTextAndAsAPage(t *testing.T) {
	for name, j := range map[string]Job{"failed": failed(), "running": running(), "succeeded": succeeded(), "unknown": {Key: "gitlab.example.com/7", Now: noon, Missing: []string{"whether it runs: the docker engine does not answer"}}} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			j.Text(&text)
			for file, got := range map[string]string{name + ".txt": text.String(), name + ".html": pageOf(t, j)} {
				golden := filepath.Join("testdata", file)
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if diff := cmp.Diff(string(want), got); err != nil || diff != "" {
					t.Errorf("%s: %v (-want +got):\n%s", file, err, diff)
				}
			}
		})
	}
}

// A page may have only these elements and attributes.
var elements = map[string]bool{
	"html": true, "head": true, "meta": true, "title": true, "style": true, "body": true, "main": true, "h1": true, "h2": true, "a": true, "b": true, "i": true, "p": true,
	"div": true, "span": true, "pre": true, "code": true, "footer": true,
}

var attributes = map[string]*regexp.Regexp{
	"lang": regexp.MustCompile(`^en$`), "charset": regexp.MustCompile(`^utf-8$`), "name": regexp.MustCompile(`^(viewport|referrer)$`),
	"http-equiv": regexp.MustCompile(`^Content-Security-Policy$`), "content": regexp.MustCompile(`^(default-src 'none'; .*|no-referrer|width=device-width, initial-scale=1)$`),
	"class": regexp.MustCompile(`^[a-z ]+$`), "style": regexp.MustCompile(`^(left|(margin-left:[0-9.]+%;)?width):[0-9.]+%$`),
	"title": regexp.MustCompile(`^from \d\d:\d\d:\d\d UTC$`), "href": regexp.MustCompile(`^https?://`), "rel": regexp.MustCompile(`^noreferrer noopener$`),
}

// sound reads a page as strictly as XML, so nothing is left open, and refuses forbidden
// parts.
func sound(page string) error {
	d := xml.NewDecoder(strings.NewReader(page))
	policy := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if !policy {
				return errors.New("no policy forbids scripts")
			}
			return nil
		}
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !elements[start.Name.Local] {
			return fmt.Errorf("there is a <%s>", start.Name.Local)
		}
		for _, a := range start.Attr {
			allowed := attributes[a.Name.Local]
			if allowed == nil || !allowed.MatchString(a.Value) {
				return fmt.Errorf("<%s> has %s=%q", start.Name.Local, a.Name.Local, a.Value)
			}
			policy = policy || strings.HasPrefix(a.Value, "default-src 'none';")
		}
	}
}

// evil is possible text of a pipeline, an image or a daemon.
const evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)></style></title></pre><!-- {{.}} javascript:alert(1) \x1b[2J\u202e\x00 &lt; https://user:hunter2@evil.example.com/?token=hunter2"

// fill puts evil into all texts of a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(evil)
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	}
}

func TestNothingThatAJobSaysIsMoreThanTextOnAPage(t *testing.T) {
	for name, of := range map[string]func() Job{"failed": failed, "running": running, "succeeded": succeeded} {
		j := of()
		if err := sound(pageOf(t, j)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		history := j.History
		fill(reflect.ValueOf(&j).Elem())
		for i := range j.History { // these decide how a call is drawn
			j.History[i].Result, j.History[i].Hook = history[i].Result, "prepare"
		}
		if j.Sandbox != nil {
			j.Sandbox.State = looking.Running
		}
		page := pageOf(t, j)
		if err := sound(page); err != nil {
			t.Errorf("%s with evil in it: %v", name, err)
		}
		for _, never := range []string{"<script", "<img", "<!-- {{", "\x1b", "\u202e", "\x00", "href=\"java", "hunter2@"} {
			if strings.Contains(page, never) {
				i := strings.Index(page, never)
				t.Errorf("%s: the page has %q in %q", name, never, page[max(0, i-200):i+len(never)])
			}
		}
		j.Sandbox, j.Bundle = &looking.SandboxStatus{URL: "https://gitlab.example.com/\"><script>alert(1)</script>"}, nil
		if err := sound(pageOf(t, j)); err != nil {
			t.Errorf("%s with an evil URL: %v", name, err)
		}
	}
	if sound(`<html><script></script></html>`) == nil || sound(`<html><b></html>`) == nil || sound(`<html><a onclick="x"/></html>`) == nil || sound(`<html></html>`) == nil {
		t.Error("the check lets everything pass")
	}
}

// A job may run for a day, with hundreds of calls and images.
func TestAPageHasABound(t *testing.T) {
	j := failed()
	j.Bundle.Report.SidecarLog = make([]string, 5000)
	for i := range j.Bundle.Report.SidecarLog {
		j.Bundle.Report.SidecarLog[i] = strings.Repeat("<", 3000)
	}
	for i := range 200 {
		j.History = append(j.History, after(40+float64(i), 1, telemetry.Record{Hook: "run", Stage: strings.Repeat("x", 300), Images: make([]telemetry.Pull, 100)}))
	}
	page := pageOf(t, j)
	if err := sound(page); err != nil || len(page) > 4<<20 || !strings.Contains(page, "calls more") {
		t.Errorf("%d bytes, %v", len(page), err)
	}
}

// A job can make its docker daemon's container say any number.
func TestAPageShowsNoNegativeSize(t *testing.T) {
	j := failed()
	u := &j.Bundle.Report.Usage
	u.Received, u.Written, u.Disk, u.PeakMemory = math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64
	if page := pageOf(t, j); strings.Contains(page, "<b>-") || strings.Count(page, "<b>8 EB</b>") != 4 {
		t.Errorf("sizes are %q", regexp.MustCompile(`<b>[^<]*B</b>`).FindAllString(page, -1))
	}
}

func TestBarsLieWhereTheirCallsWere(t *testing.T) {
	tl := timelineOf([]telemetry.Record{
		after(1, 1, telemetry.Record{Hook: "config"}),
		after(4, 3, telemetry.Record{Hook: "prepare", Phases: map[string]float64{"plan": 1, "sandbox": 2}, Images: []telemetry.Pull{{Image: "x", After: 1, Seconds: 1}}}),
		after(10, 5, telemetry.Record{Hook: "run", Stage: "build_script"}),
		after(20, 2, telemetry.Record{Command: "finish"}),
	}, time.Time{})
	var got []string
	for _, b := range tl.Bars {
		got = append(got, fmt.Sprint(b.Name, " ", b.Kind, " ", b.Left, " ", b.Width, " ", b.Took))
	}
	want := []string{
		"config hook 0 5 1.0 s", "prepare hook 5 15 3.0 s", "looks and plans phase 5 5 1.0 s", "makes the sandbox phase 10 10 2.0 s",
		"pulls x pull 10 5 1.0 s", "build_script script 25 25 5.0 s", "finish behind 90 10 2.0 s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if tl.Ticks[1].Text != "5 s" || tl.Ticks[1].Left != 25 || len(tl.Ticks) != 4 {
		t.Errorf("ticks %+v", tl.Ticks)
	}
	// A clock that was set back, and a call that took no time.
	for _, history := range [][]telemetry.Record{{after(5, -3, telemetry.Record{Hook: "config"}), after(1, 9, telemetry.Record{Hook: "prepare"})}, {after(0, 0, telemetry.Record{Hook: "config"})}} {
		for _, b := range timelineOf(history, noon.Add(-time.Hour)).Bars {
			if b.Left < 0 || b.Width < 0 || b.Left+b.Width > 100.01 {
				t.Errorf("%+v", b)
			}
		}
	}
	for _, length := range []time.Duration{time.Millisecond, time.Second, 100 * time.Second, time.Hour, 24 * time.Hour, 1000 * time.Hour} {
		if n := len(ticksOf(length)); n < 1 || n > mostTicks+1 && length < 24*time.Hour {
			t.Errorf("%s has %d ticks", length, n)
		}
	}
}

func TestAListOfJobs(t *testing.T) {
	var out strings.Builder
	List(&out, nil, nil, 0, noon)
	if out.String() != "no job runs, and there is no bundle of a failed one\n" {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	j := failed()
	List(&out, []looking.SandboxStatus{*running().Sandbox, {Sandbox: "waits"}}, []bundle.Bundle{*j.Bundle}, 3, noon.Add(time.Hour))
	const want = `JOB   PROJECT    REF                  STAGE  WHAT
4711  group/app  feature/a-long-name  build  running for 59m
4711  group/app  feature/a-long-name  build  failed 59m ago
… and 2 more bundles
`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	List(&out, make([]looking.SandboxStatus, 0), make([]bundle.Bundle, 500), 900, noon)
	if n := strings.Count(out.String(), "\n"); n > Most+2 || !strings.Contains(out.String(), "… and 860 more bundles") {
		t.Errorf("%d lines\n%s", n, out.String())
	}
}
