package overview

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gitlab-dind-executor/driver/looking"
)

func TestAStatusFitsATerminal(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	later := noon.Add(25 * time.Minute)
	st := Status{Pool: Pool{Waiting: 1, Size: 4}}
	st.Status = looking.Status{
		Time: noon,
		Sandboxes: []looking.SandboxStatus{
			{
				Sandbox: "0123456789ab", State: looking.Running, Job: "0f0e0d0c-0b0a-0908-0706-050403020100/123456789012345", Project: "a/very/long/path/of/groups/and/then/the-project",
				Created: noon.Add(-90 * time.Minute), DaemonEnded: true, Ref: "feature/one-more-thing", Stage: "integration", TimesOut: &later, CPUs: 15.5, Memory: 1023 << 20, Disk: 1234567890,
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
	st.Write(&out, Choice{}, 20<<30, 0)
	const want = `4 sandboxes: 1 orphan, 1 held, 1 running, 1 waiting; 2 jobs of 2 projects; at least cpu 15.51, memory 1.087 GB, disk 1.15 GB

SANDBOX       STATE    JOB           PROJECT                 REF             STAGE       AGE  LEFT  CPU    MEMORY   DISK     URL
0123456789ab  running  …56789012345  …/and/then/the-project  …ne-more-thing  …tegration  90m  25m   15.50  1023 MB  1.15 GB  -
3456789abcde  orphan   -             -                       -               -           0s   -     0.00   0 B      0 B      -
23456789abcd  held     7             a/b                     -               -           4d   -     -      0 B      0 B      -
123456789abc  waiting  -             -                       -               -           30h  -     0.01   90 MB    -        -

pool     1 of 4 wait
cached   2 caches and 3 layers of projects, 1 in use, 5 GB (at most 20 GB)
mirror   dind-mirror-0123 of registry-1.docker.io: running, 7 GB, 2 jobs

0123456789ab: its docker daemon has ended
hint: gitlab-dind-executor logs 0123456789ab --tail 20 shows why

3456789abcde: its owner is dead
hint: the next job removes it, or gitlab-dind-executor gc

23456789abcd is held for 25m more: gitlab-dind-executor shell 23456789abcd
hint: gitlab-dind-executor gc --held ends that

not known: sizes on disk: asking the engine: context deadline exceeded
`
	if out.String() != want {
		t.Errorf("it says\n%s", out.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if utf8.RuneCountInString(line) > 130 {
			t.Errorf("too wide: %q", line)
		}
	}
}

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// A narrow terminal has no column of URLs; a file always has the column.
func TestURLsAreShownWhereThereIsRoom(t *testing.T) {
	st := New(looking.Status{Time: noon, Sandboxes: []looking.SandboxStatus{{
		Sandbox: "0123456789ab", State: looking.Running, Job: "gitlab.example.com/7", Created: noon,
		URL: "https://gitlab.example.com/group/app/-/jobs/7",
	}}}, 0, 0)
	for columns, shows := range map[int]bool{0: true, 200: true, 80: false} {
		var out strings.Builder
		st.Write(&out, Choice{}, 0, columns)
		if strings.Contains(out.String(), "https://") != shows || strings.Contains(out.String(), "URL") != shows {
			t.Errorf("%d columns:\n%s", columns, out.String())
		}
	}
}

// A dead Runner can leave hundreds of sandboxes, each with the same reason.
func TestNotesBelowATableAreFew(t *testing.T) {
	var list []looking.SandboxStatus
	for i := range 300 {
		one := looking.SandboxStatus{Sandbox: fmt.Sprintf("%012x", i), State: looking.Orphan, Reason: "its owner is dead", Created: noon}
		if i%10 == 0 {
			one.Reason = fmt.Sprintf("reason %d of 100%%", i)
		}
		list = append(list, one)
	}
	var out strings.Builder
	New(looking.Status{Time: noon, Sandboxes: list}, 0, 0).Write(&out, Choice{}, 0, 0)
	text := out.String()
	if lines := strings.Count(text, "\n"); lines > 350 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{
		"000000000001, 000000000002, 000000000003, 000000000004 and 266 more: its owner is dead\n", "000000000000: reason 0 of 100%\n", "more such notes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text[strings.Index(text, "cached"):])
		}
	}
}

func TestFiltersAndOrders(t *testing.T) {
	soon, later := noon.Add(time.Minute), noon.Add(time.Hour)
	all := []looking.SandboxStatus{
		{Sandbox: "a", State: looking.Waits, Created: noon, Memory: 5},
		{Sandbox: "b", State: looking.Running, Job: "x/1", Project: "group/app", Ref: "main", Stage: "test", Created: noon.Add(-time.Hour), TimesOut: &later, Memory: 9, CPUs: 1},
		{Sandbox: "c", State: looking.Running, Job: "x/12", Project: "group/web", Ref: "topic", Created: noon.Add(-time.Minute), TimesOut: &soon, Memory: looking.Unknown, Disk: 3},
		{Sandbox: "d", State: looking.Orphan, Job: "x/2", Project: "group/app", Created: noon.Add(time.Second), TimesOut: &soon},
		{Sandbox: "e", State: looking.Running, DaemonEnded: true, Job: "x/3", Project: "other/app", Created: noon, TimesOut: &later},
	}
	for name, c := range map[string]struct {
		filters []string
		sort    string
		want    string
	}{
		"as they are":           {nil, "", "abcde"},
		"urgent first":          {nil, "state", "edbca"},
		"by age":                {nil, "age", "bcaed"},
		"by the time left":      {nil, "left", "cbead"},
		"by memory":             {nil, "memory", "baedc"},
		"by disk":               {nil, "disk", "cbaed"},
		"by project":            {nil, "project", "abdce"},
		"a state":               {[]string{"state=running"}, "", "bce"},
		"two states":            {[]string{"state=running", "state=waiting"}, "", "abce"},
		"a state of a project":  {[]string{"state=running", "project=group/*"}, "", "bc"},
		"a pattern":             {[]string{"project=*/app"}, "", "bde"},
		"a pattern of two":      {[]string{"project=g*p/*b"}, "", "c"},
		"a job by its id":       {[]string{"job=1"}, "", "b"},
		"jobs by a pattern":     {[]string{"job=1*"}, "", "bc"},
		"without a ref":         {[]string{"ref=-"}, "", "ade"},
		"nothing":               {[]string{"stage=deploy"}, "", ""},
		"everything":            {[]string{"stage=*"}, "", "abcde"},
		"no shorter than it is": {[]string{"ref=main*main"}, "", ""},
	} {
		choice := Choice{Filters: c.filters, Sort: c.sort}
		if err := choice.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := ""
		for _, s := range choice.Of(all) {
			got += s.Sandbox
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
