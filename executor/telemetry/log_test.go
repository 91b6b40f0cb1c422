package telemetry

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitlab-dind-executor/test/ends"
)

// full is a record without a zero field.
var full = Record{
	Time: time.Date(2026, 7, 1, 12, 0, 0, 5e6, time.UTC), Hook: "prepare", Command: "gc", Stage: "build_script", Behind: "gitlab.example.com/7",
	Job: "gitlab.example.com/8", JobID: 8, Project: "group/project", Ref: "main", Commit: "0123abc", JobStatus: "failed", Sandbox: "0123456789ab",
	Origin: Cold, ColdReason: "others took the sandboxes that waited", Pooled: true, Docker: "28.1.1", Booting: true, Awaited: true, DaemonWait: 0.25,
	Pulls: 2, FailedPulls: 1, PullSeconds: 3.5, Swept: 3, Made: 4, Evicted: 5, Freed: 6 << 30, Phases: map[string]float64{"plan": 0.01, "sandbox": 1.5},
	Seconds: 2.125, Result: Failed, Class: OfSystem, ExitCode: 3, Error: "no engine", Hint: "start it", TraceError: "no collector", Version: "1.0.0", PID: 4711,
}

func read(t *testing.T, file string) []Record {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []Record
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v: %q", file, err, lines.Text())
		}
		list = append(list, r)
	}
	return list
}

func TestALineHoldsAllOfARecord(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "state", "operator.log"), MaxFiles: 1}
	for _, r := range []Record{full, {Time: full.Time, Hook: "config", Result: Success}} {
		if err := l.Write(r, nil); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Record{full, {Time: full.Time, Hook: "config", Result: Success}}, read(t, l.Path)); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	b, _ := os.ReadFile(l.Path)
	if !strings.HasPrefix(string(b), `{"level":"error","time":"2026-07-01T12:00:00.005Z","msg":"preparegc build_script",`) {
		t.Errorf("%s", b)
	}
	if !strings.HasSuffix(string(b), `{"level":"info","time":"2026-07-01T12:00:00.005Z","msg":"config","hook":"config","seconds":0,"result":"success"}`+"\n") {
		t.Errorf("%s", b)
	}
	if info, err := os.Stat(l.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestDebugAddsTheCallsOfTheEngine(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), Debug: true, MaxFiles: 1}
	r := &Recorder{}
	ctx, outer := r.Start(t.Context(), "prepare")
	_, s := r.Start(ctx, "POST /v1.47/containers/0123abc/start?token=hunter2")
	s.End()
	outer.End()
	if err := l.Write(Record{Hook: "prepare", Job: "g/1"}, r.Spans()); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(l.Path)
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 3 || strings.Contains(string(b), "hunter2") {
		t.Fatalf("%s", b)
	}
	for _, want := range []string{`"level":"debug"`, `"msg":"POST /containers/{id}/start"`, `"span":"prepare"`, `"job":"g/1"`, `"about":"0123abc"`, `"seconds":0`} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("no %s in %s", want, lines[1])
		}
	}
}

// The writers are processes of their own, as hooks are.
const (
	writers, each = 4, 200
	envWriter     = "TELEMETRY_TEST_WRITER"
)

func TestMain(m *testing.M) {
	if path, writes := os.LookupEnv(envWriter); writes {
		l := Log{Path: path, MaxSize: 16 << 10, MaxFiles: 100}
		for i := range each {
			if err := l.Write(Record{Hook: "run", PID: os.Getpid(), JobID: int64(i + 1), Error: strings.Repeat("x", i)}, nil); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestProcessesThatWriteAtOnceLoseAndMixNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "operator.log")
	var all []*exec.Cmd
	for range writers {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envWriter+"="+path)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	for _, cmd := range all {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) < 5 {
		t.Errorf("only %d files: nothing was put aside", len(files))
	}
	seen := map[string]int{}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 16<<10 {
			t.Errorf("%s: %d bytes, %v", f, info.Size(), err)
		}
		for _, r := range read(t, f) {
			seen[fmt.Sprint(r.PID, " ", r.JobID)]++
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d lines of %d", len(seen), writers*each)
	}
	for line, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", line, n)
		}
	}
}

func TestOnlySoManyFilesAreKept(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxSize: 200, MaxFiles: 2}
	for i := range 20 {
		if err := l.Write(Record{Hook: "run", JobID: int64(i + 1)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(l.Path + "*")
	if len(files) != 3 {
		t.Errorf("files %q", files)
	}
	if last := read(t, l.Path); last[len(last)-1].JobID != 20 {
		t.Errorf("the last line is of job %d", last[len(last)-1].JobID)
	}
}

// A file that cannot be put aside grows, and the operator hears of it.
func TestALogThatCannotBePutAsideIsWrittenAnyway(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxSize: 1, MaxFiles: 1}
	if err := os.MkdirAll(l.Path+".1/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(full, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Write(full, nil); err == nil {
			t.Error("no error")
		}
	}
	if n := len(read(t, l.Path)); n != 3 {
		t.Errorf("%d lines of 3", n)
	}
	if err := os.RemoveAll(l.Path + ".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(full, nil); err != nil || len(read(t, l.Path)) != 1 {
		t.Errorf("it is not put aside when that is possible again: %v", err)
	}
}

func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a pipe that nobody reads": pipe, "a directory": dir, "a device": "/dev/full", "below a file": filepath.Join(file, "operator.log"),
	} {
		if err := (Log{Path: path, MaxFiles: 1}).Write(full, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestALogThatAnotherHoldsIsWrittenAnyway(t *testing.T) {
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxSize: 1, MaxFiles: 1}
	if err := l.Write(full, nil); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(l.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ends.ByItself(t, func() { err = l.Write(full, nil) })
	if err != nil {
		t.Error(err)
	}
	if n := len(read(t, l.Path)); n != 2 {
		t.Errorf("%d lines", n)
	}
}

func TestTheJournalGetsEachLine(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	journal, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	r := &Recorder{}
	_, s := r.Start(t.Context(), "prepare")
	s.End()
	if err := (Log{Journal: socket, Debug: true}).Write(full, r.Spans()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PRIORITY=7\nSYSLOG_IDENTIFIER=gitlab-dind-executor\nMESSAGE={\"level\":\"debug\",", "PRIORITY=3\nSYSLOG_IDENTIFIER=gitlab-dind-executor\nMESSAGE={\"level\":\"error\","} {
		entry := make([]byte, 64<<10)
		n, err := journal.Read(entry)
		if err != nil || !strings.HasPrefix(string(entry[:n]), want) || !strings.HasSuffix(string(entry[:n]), "}\n") {
			t.Errorf("%v: %q", err, entry[:n])
		}
	}
	// Nobody reads. The kernel takes no more entries, and the write ends with an error in
	// time.
	ends.ByItself(t, func() {
		for n := 0; err == nil && n < 100_000; n++ { // far more than a socket holds
			err = (Log{Journal: socket}).Write(full, nil)
		}
	})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	l := Log{Path: filepath.Join(t.TempDir(), "operator.log"), MaxFiles: 1, Journal: socket + "-none"}
	if err := l.Write(full, nil); err == nil || len(read(t, l.Path)) != 1 {
		t.Errorf("the file suffers from the journal: %v", err)
	}
}

func TestSecretsByTheirForm(t *testing.T) {
	for text, want := range map[string]string{
		"clone https://user:hunter2@gitlab.example.com/g/p.git?x=y failed": "clone https://gitlab.example.com/g/p.git failed",
		`Get "https://r.example.com/v2/?token=hunter2": EOF`:               `Get "https://r.example.com/v2/": EOF`,
		"tcp://hunter2@10.0.0.1:2376/x#hunter2":                            "tcp://10.0.0.1:2376/x",
		"Authorization: Basic aHVudGVyMg==":                                "Authorization: Basic [hidden]",
		"got Bearer hunter2, sorry":                                        "got Bearer [hidden], sorry",
		"--build-arg token=hunter2 x":                                      "--build-arg token=[hidden] x",
		"no basic auth credentials":                                        "no basic auth credentials",
		"unix:///var/run/docker.sock does not answer":                      "unix:///var/run/docker.sock does not answer",
		"mail an@example.com":                                              "mail an@example.com",
	} {
		if got := Scrub(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// BenchmarkALine measures a hook's cost of a line.
func BenchmarkALine(b *testing.B) {
	l := Log{Path: filepath.Join(b.TempDir(), "operator.log"), MaxSize: 1 << 20, MaxFiles: 2}
	for b.Loop() {
		if err := l.Write(full, nil); err != nil {
			b.Fatal(err)
		}
	}
}
