package driver

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/fakeengine"
)

// The user of a job's container gets the job's files before the script begins. If the user
// is unknown, the script is not sent.
func TestAJobsFilesAreGivenToItsUser(t *testing.T) {
	t.Parallel()
	const execs = "POST /containers/{id}/exec"
	for name, c := range map[string]struct {
		says  string
		code  int
		give  []string
		told  string // "" for nothing
		fails string // "" for a script that runs
		execs int
	}{
		"an ordinary user":               {says: "1000\n1001\n", give: []string{"/builds/a"}, told: "the job's files belong to its user, 1000:1001", execs: 2},
		"root":                           {says: "0\n0\n", give: []string{"/builds/a"}, execs: 1},
		"root, written in another way":   {says: "00\n0\n", give: []string{"/builds/a"}, execs: 1},
		"no directory to give":           {says: "1000\n1000\n"},
		"no id in the image":             {says: "sh: id: not found\n", code: 127, give: []string{"/builds/a"}, fails: `id says "sh: id: not found", code 127`, execs: 1},
		"an id that is none":             {says: "1000\n-1\n", give: []string{"/builds/a"}, fails: `id says "1000 -1"`, execs: 1},
		"an id that is another argument": {says: "--from=0\n1000\n", give: []string{"/builds/a"}, fails: `id says "--from=0 1000"`, execs: 1},
		"an id that is too large":        {says: "4294967296\n1\n", give: []string{"/builds/a"}, fails: "id says", execs: 1},
		"an id that moves the cursor":    {says: "\x1b[2J1000\n1\n", give: []string{"/builds/a"}, fails: `id says "`, execs: 1},
		"one id alone":                   {says: "1000\n", give: []string{"/builds/a"}, fails: `id says "1000"`, execs: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, e, d := hostWithImages(t)
			d.eng.CreateBound, d.bounds.EndWait = time.Second, 300*time.Millisecond
			if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
				t.Fatal(err)
			}
			e.ExecOutput, e.ExecCode = c.says, c.code
			before := e.Count(execs)
			var told []string
			var out bytes.Buffer
			ways := stages.Ways{First: true, Give: c.give, Told: func(line string) { told = append(told, line) }}
			code, err := d.RunJob(t.Context(), p.Claim.Job, ways, []byte("true"), nil, &out)
			if c.fails == "" && (err != nil || code != 3 || !strings.Contains(out.String(), "hello")) {
				t.Errorf("the script ended with %d, %v: %s", code, err, out.String())
			}
			if c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || !fault.IsOfJob(err) || strings.Contains(out.String(), "hello")) {
				t.Errorf("error %v, and %s", err, out.String())
			}
			if strings.ContainsRune(strings.Join(told, ""), '\x1b') || err != nil && strings.ContainsRune(err.Error(), '\x1b') {
				t.Errorf("the cursor moves: %q, %v", told, err)
			}
			if got := strings.Join(told, "\n"); got != c.told {
				t.Errorf("it says %q, want %q", got, c.told)
			}
			if n := e.Count(execs) - before; n != c.execs {
				t.Errorf("%d commands ran in containers, want %d", n, c.execs)
			}
		})
	}
}

// If a container does not tell its user in time, the user is unknown.
func TestAUserWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()
	p, e, d := hostWithImages(t)
	d.eng.CreateBound, d.bounds.EndWait, d.bounds.ShowUser = time.Second, 300*time.Millisecond, 200*time.Millisecond
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	e.Always("POST /exec/{id}/start", fakeengine.Hang())
	ways := stages.Ways{First: true, Give: []string{"/builds/a"}, Told: func(string) {}}
	_, err := d.RunJob(t.Context(), p.Claim.Job, ways, []byte("true"), nil, &bytes.Buffer{})
	if err == nil || !fault.IsOfJob(err) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("error %v", err)
	}
}

// With a stop of its own, only a script's first process gets the signal, and tells the
// others.
func TestAScriptThatIsStoppedByItsFirstProcess(t *testing.T) {
	t.Parallel()
	p, e, d := hostWithImages(t)
	d.eng.CreateBound, d.bounds.EndWait = time.Second, 300*time.Millisecond
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	cut, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	defer close(over)
	e.OnScript = func(string) (string, int) {
		cancel()
		<-over
		return "", 143
	}
	before := e.Count("POST /containers/{id}/exec")
	_, err := d.RunJob(cut, p.Claim.Job, stages.Ways{First: true, SignalFirst: true}, []byte("true"), nil, &bytes.Buffer{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := e.Count("POST /containers/{id}/kill"); n == 0 {
		t.Error("its first process was not told")
	}
	if n := e.Count("POST /containers/{id}/exec") - before; n != 0 {
		t.Errorf("%d commands signalled other processes", n)
	}
}
