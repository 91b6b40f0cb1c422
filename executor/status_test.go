package executor

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/test/fakeengine"
)

func TestAStatusFitsATerminal(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	later := noon.Add(25 * time.Minute)
	st := fullStatus{Pool: poolSummary{Waiting: 1, Size: 4}}
	st.Status = looking.Status{
		Time: noon,
		Sandboxes: []looking.SandboxStatus{
			{
				Sandbox: "0123456789ab", State: looking.Running, Job: "0f0e0d0c-0b0a-0908-0706-050403020100/123456789012345", Project: "a/very/long/path/of/groups/and/then/the-project",
				Created: noon.Add(-90 * time.Minute), DaemonEnded: true, CPUs: 15.5, Memory: 1023 << 20, Disk: 1234567890,
			},
			{Sandbox: "123456789abc", State: looking.Waits, Created: noon.Add(-30 * time.Hour), CPUs: 0.01, Memory: 90 << 20, Disk: looking.Unknown},
			{Sandbox: "23456789abcd", State: looking.Held, Job: "gitlab.example.com/7", Project: "a\x1b[2J/b", Created: noon.Add(-100 * time.Hour), Until: &later, CPUs: looking.Unknown},
			{Sandbox: "3456789abcde", State: looking.Orphan, Reason: "its owner is dead", Created: noon},
		},
		Cached:  looking.CachedStatus{Caches: 2, Layers: 3, InUse: 1, Size: 5 << 30},
		Mirrors: []looking.MirrorStatus{{Name: "dind-mirror-0123", Remote: "registry-1.docker.io", State: "running", Size: 7 << 30, Jobs: 2}},
		Missing: []string{"sizes on disk: asking the engine: context deadline exceeded"},
	}
	var out strings.Builder
	s := config.Default()
	s.Cache.MaxSize = 20 << 30
	st.write(&out, s)
	const want = `SANDBOX       STATE    JOB           PROJECT                     AGE  CPU    MEMORY   DISK
0123456789ab  running  …56789012345  …oups/and/then/the-project  90m  15.50  1023MiB  1.15GiB
123456789abc  waiting  -             -                           30h  0.01   90MiB    -
23456789abcd  held     7             a/b                         4d   -      0B       0B
3456789abcde  orphan   -             -                           0s   0.00   0B       0B

pool     1 of 4 wait
cached   2 caches and 3 layers of projects, 1 in use, 5GiB (at most 20GiB)
mirror   dind-mirror-0123 of registry-1.docker.io: running, 7GiB, 2 jobs

0123456789ab: its docker daemon has ended
hint: gitlab-dind-executor logs 0123456789ab --tail 20 shows why

23456789abcd is held for 25m more: gitlab-dind-executor shell 23456789abcd
hint: gitlab-dind-executor gc --held ends that

3456789abcde: its owner is dead
hint: the next job removes it, or gitlab-dind-executor gc

not known: sizes on disk: asking the engine: context deadline exceeded
`
	if out.String() != want {
		t.Errorf("it says\n%s", out.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if utf8.RuneCountInString(line) > 100 {
			t.Errorf("too wide: %q", line)
		}
	}
}

func TestWhereThereIsNothingAStatusSaysSo(t *testing.T) {
	e := fakeengine.New(t)
	t.Setenv("DOCKER_HOST", e.Host)
	var out, log bytes.Buffer
	if code := Main([]string{"--settings", "/dev/null", "status"}, nil, &out, &log); code != 0 || log.Len() > 0 || out.String() != "no sandboxes\n\ncached   nothing of projects\n" {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
	out.Reset()
	if code := Main([]string{"--settings", "/dev/null", "status", "--json"}, nil, &out, &log); code != 0 {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	var st map[string]any
	if err := json.Unmarshal(out.Bytes(), &st); err != nil {
		t.Fatal(err)
	}
	if list, ok := st["sandboxes"].([]any); !ok || len(list) != 0 {
		t.Errorf("no empty list: %s", out.String())
	}
}
