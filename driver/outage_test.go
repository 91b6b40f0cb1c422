package driver

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/driver/stages"
	"gitlab-dind-executor/fault"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// wrongAnswers returns the ways in which an engine's answer can be wrong.
func wrongAnswers() map[string]fakeengine.Answer {
	return map[string]fakeengine.Answer{
		"is refused": fakeengine.Refuse(500, "the engine is in a bad way"), "is nonsense": fakeengine.Nonsense(),
		"is an empty object": fakeengine.Saying("{}"), "is null": fakeengine.Saying("null"),
		"is cut off": fakeengine.Drop(), "is cut": fakeengine.Cut(), "hangs": fakeengine.Hang(),
	}
}

// hostWithImages returns an engine on which a job's stages can run. Its job container
// prints "hello" and ends with code 3. Its helper prints "cloned".
func hostWithImages(t *testing.T) (*plan.Plan, *fakeengine.Engine, *Driver) {
	t.Helper()
	p := testPlan(t)
	p.Job.Early = false
	e, d := fakeHost(t, p)
	e.OnStart = func(c *fakeengine.Container) {
		if strings.HasSuffix(c.Name, "-job") {
			c.Log = plan.ShellMarker + "\n"
		}
	}
	e.OnScript = func(string) (string, int) { return plan.ScriptMarker + "\nhello\n", 3 }
	e.ExecOutput = "cloned\n"
	return p, e, d
}

// preparedOn returns such an engine with a prepared job.
func preparedOn(t *testing.T) (*plan.Plan, *fakeengine.Engine, *Driver) {
	t.Helper()
	p, e, d := hostWithImages(t)
	d.eng.CreateBound, d.bounds.EndWait = time.Second, 300*time.Millisecond
	if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
		t.Fatal(err)
	}
	return p, e, d
}

// stageRun runs a stage of a prepared job.
type stageRun func(ctx context.Context, d *Driver, job string) (code int, out string, err error)

func runOnJob(ctx context.Context, d *Driver, job string) (int, string, error) {
	var out bytes.Buffer
	code, err := d.RunJob(ctx, job, stages.Ways{First: true}, []byte("true"), nil, &out)
	return code, out.String(), err
}

func runOnHelper(ctx context.Context, d *Driver, job string) (int, string, error) {
	var out bytes.Buffer
	code, err := d.RunHelper(ctx, job, nil, []byte("true"), &out)
	return code, out.String(), err
}

func runWithTool(ctx context.Context, d *Driver, job string) (int, string, error) {
	var out bytes.Buffer
	code, err := d.RunHelper(ctx, job, &plan.ToolCheck{}, []byte("true"), &out)
	return code, out.String(), err
}

// stageRuns are the stages of both sides, with the calls that they make.
var stageRuns = map[string]struct {
	run   stageRun
	code  int
	out   string
	calls []string
}{
	"the script": {runOnJob, 3, "hello\n", []string{
		"GET /containers/json", "GET /containers/{id}/json", "POST /containers/{id}/start",
		"POST /containers/{id}/wait", "GET /containers/{id}/logs", "POST /containers/{id}/attach",
	}},
	"the helper": {runOnHelper, 0, "cloned\n", []string{"GET /containers/json", "POST /containers/{id}/attach"}},
	"the helper's tool": {runWithTool, 0, "cloned\n", []string{
		"GET /containers/json", "POST /containers/{id}/exec", "POST /exec/{id}/start", "GET /exec/{id}/json",
	}},
}

func TestAStageOnAnEngineThatIsWell(t *testing.T) {
	t.Parallel()
	for name, s := range stageRuns {
		t.Run(name, func(t *testing.T) {
			p, _, d := preparedOn(t)
			if code, out, err := s.run(t.Context(), d, p.Claim.Job); err != nil || code != s.code || out != s.out {
				t.Errorf("code %d, output %q, error %v", code, out, err)
			}
		})
	}
}

// cancelledSoon returns an answer after which the job is cancelled, in 300 ms.
func cancelledSoon(answer fakeengine.Answer, cancel context.CancelFunc) fakeengine.Answer {
	return func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		end := time.AfterFunc(300*time.Millisecond, cancel)
		defer end.Stop()
		answer(e, w, r, next)
	}
}

// Any trouble of an engine under a stage is reported as a fault of the system, and cleanup
// finds all objects.
func TestAStageOnAnEngineInTrouble(t *testing.T) {
	t.Parallel()
	// Answers without a body cannot be nonsense.
	wordless := []string{"POST /containers/{id}/start"}
	for name, s := range stageRuns {
		for _, call := range s.calls {
			for kind, answer := range wrongAnswers() {
				if slices.Contains(wordless, call) && kind != "is refused" && kind != "is cut" && kind != "hangs" {
					continue
				}
				t.Run(name+", "+call+" "+kind, func(t *testing.T) {
					t.Parallel()
					p, e, d := preparedOn(t)
					e.Always(call, answer)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if kind == "hangs" {
						e.Always(call, cancelledSoon(answer, cancel))
					}
					var code int
					var out string
					var err error
					ends.ByItself(t, func() { code, out, err = s.run(ctx, d, p.Claim.Job) })
					if err == nil && (code != s.code || out != s.out) { // the result can be found in another way
						t.Errorf("it ended with code %d and output %q", code, out)
					}
					if fault.IsOfJob(err) {
						t.Errorf("the job is blamed: %v", err)
					}
					e.Always(call, nil)
					if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) != 0 {
						t.Errorf("left %q (%v)", e.Objects(), err)
					}
				})
			}
		}
	}
}

// The stream breaks off in the middle of a line of output, and the engine with it.
func TestAStageWhoseStreamBreaksOff(t *testing.T) {
	t.Parallel()
	half := fakeengine.Frame("a line that never")[:12]
	for name, c := range map[string]struct {
		run  stageRun
		call string
	}{
		"the script": {runOnJob, "POST /containers/{id}/attach"},
		"the helper": {runOnHelper, "POST /containers/{id}/attach"},
	} {
		t.Run(name, func(t *testing.T) {
			p, e, d := preparedOn(t)
			e.Script(c.call, func(e *fakeengine.Engine, w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
				fakeengine.CutStream(half)(e, w, r, next)
				e.Exit("dind-"+p.Sandbox+"-job", 0)
			})
			_, _, err := c.run(t.Context(), d, p.Claim.Job)
			if err == nil || fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "is it running?") {
				t.Errorf("error %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

// A process that a broken stream leaves in the helper would disturb the next attempt.
func TestAHelperStageThatBreaksOffIsEnded(t *testing.T) {
	t.Parallel()
	p, e, d := preparedOn(t)
	d.bounds.EndWait = 10 * time.Second
	e.Script("POST /containers/{id}/attach", fakeengine.CutStream(fakeengine.Frame("half a line")[:12]))
	before := e.Count("POST /containers/{id}/exec")
	if _, _, err := runOnHelper(t.Context(), d, p.Claim.Job); err == nil {
		t.Fatal("no error")
	}
	if n := e.Count("POST /containers/{id}/exec") - before; n != 2 {
		t.Errorf("%d commands were started, want SIGTERM and SIGKILL", n)
	}
}

func TestAHelperThatWasEndedIsNamed(t *testing.T) {
	t.Parallel()
	p, e, d := preparedOn(t)
	e.Exit("dind-"+p.Sandbox+"-helper", 137)
	_, _, err := runOnHelper(t.Context(), d, p.Claim.Job)
	if err == nil || fault.IsOfJob(err) || !strings.Contains(err.Error(), "the job's helper") || !strings.Contains(fault.HintOf(err), "something ended it") {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
}

// All answers are slow, and nothing fails.
func TestASlowEngineIsWaitedFor(t *testing.T) {
	t.Parallel()
	slow := fakeengine.Slowly(50 * time.Millisecond)
	for name, s := range stageRuns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, e, d := hostWithImages(t)
			p.Sidecar.ReadyTimeout = 20 * time.Second
			for _, call := range append([]string{"GET /_ping", "GET /networks", "GET /volumes"}, slices.Concat(
				stageRuns["the script"].calls, stageRuns["the helper"].calls,
				[]string{
					"POST /networks/create", "GET /images/{name...}", "POST /containers/create", "GET /containers/{id}/archive",
					"PUT /containers/{id}/archive", "DELETE /containers/{id}", "DELETE /volumes/{name}", "DELETE /networks/{id}",
				})...) {
				e.Always(call, slow)
			}
			if _, err := d.Prepare(t.Context(), p, quiet); err != nil {
				t.Fatal(err)
			}
			if code, out, err := s.run(t.Context(), d, p.Claim.Job); err != nil || code != s.code || out != s.out {
				t.Errorf("code %d, output %q, error %v", code, out, err)
			}
			if _, err := d.CleanupPatiently(t.Context(), p.Claim.Job); err != nil {
				t.Error(err)
			}
			if _, err := d.Sweep(t.Context(), noon, time.Hour, false); err != nil || len(e.Objects()) != 0 {
				t.Errorf("left %q (%v)", e.Objects(), err)
			}
		})
	}
}

// If the watch of a stage sees nothing, it reports nothing, and the stage goes on.
func TestTheWatchOfAStageOnAnEngineInTrouble(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"GET /events", "GET /containers/json", "GET /containers/{id}/json"} {
		for kind, answer := range wrongAnswers() {
			t.Run(call+" "+kind, func(t *testing.T) {
				t.Parallel()
				p, e, d := preparedOn(t)
				e.Always(call, answer)
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				w := d.WatchStage(ctx, p.Claim.Job)
				defer w.Close()
				if killed := w.OutOfMemory(ctx); len(killed) != 0 {
					t.Errorf("%+v", killed)
				}
				if ending := w.SidecarEnding(ctx); ending != stages.EndingUnknown {
					t.Errorf("the sidecar's end is %d", ending)
				}
			})
		}
	}
}

// An engine without room for another container says so in many ways. None is the pipeline's
// fault, and objects made before are removed.
func TestAnEngineThatIsFull(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call   string
		status int
		says   string
	}{
		{"POST /containers/create", 500, "mkdir /var/lib/docker/overlay2/x-init: no space left on device"},
		{"POST /containers/create", 500, "failed to start shim: fork/exec /usr/bin/containerd-shim-runc-v2: resource temporarily unavailable"},
		{"POST /containers/create", 500, "open /var/lib/docker/containers/x/hostconfig.json: too many open files"},
		{"POST /containers/{id}/start", 500, "failed to create endpoint x on network y: adding interface veth1 to bridge br-1 failed: exchange full"},
		{"POST /containers/{id}/start", 500, "OCI runtime create failed: runc create failed: unable to start container process: fork/exec /proc/self/exe: cannot allocate memory"},
		{"POST /containers/{id}/start", 500, "failed to create task for container: ttrpc: too many open files"},
		{"POST /networks/create", 500, "failed to create bridge: numerical result out of range: too many links"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			p := testPlan(t)
			e, d := fakeHost(t, p)
			e.Always(c.call, fakeengine.Refuse(c.status, c.says))
			_, err := d.Prepare(t.Context(), p, quiet)
			if err == nil || !strings.Contains(err.Error(), c.says) || fault.IsOfJob(err) || !strings.Contains(fault.HintOf(err), "gitlab-dind-executor gc") {
				t.Errorf("error %v, of job %t, hint %q", err, fault.IsOfJob(err), fault.HintOf(err))
			}
			if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil || len(e.Objects()) != 0 {
				t.Errorf("left %q (%v)", e.Objects(), err)
			}
		})
	}
}

// A proxy before the engine answers with an error in the middle of a removal.
func TestCleanupOnAnEngineThatAnswersNonsense(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"GET /containers/json", "GET /networks"} {
		for _, text := range []string{"{}", `"x"`, `[{"Names": [""]}]`, `[null]`, "[1]"} {
			t.Run(call+" "+text, func(t *testing.T) {
				t.Parallel()
				p, e, d := preparedOn(t)
				d.bounds.RemoveFirstGap = time.Millisecond
				e.Script(call, fakeengine.Saying(text))
				err := d.Cleanup(t.Context(), p.Claim.Job)
				if err == nil && len(e.Objects()) != 0 {
					t.Errorf("it says that all is gone, and left %q", e.Objects())
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
	}
}

// A meaningless answer may go unnoticed if nothing depends on it. The program never crashes
// and never blames the job, and cleanup finds all objects.
func TestPrepareOnAnEngineThatAnswersNothing(t *testing.T) {
	t.Parallel()
	for call := range prepareCalls {
		for _, text := range []string{"{}", "null", "[]", `""`} {
			t.Run(call+" "+text, func(t *testing.T) {
				t.Parallel()
				p, e, d := hostWithImages(t)
				p.Sidecar.ReadyTimeout = 500 * time.Millisecond
				e.Always(call, fakeengine.Saying(text))
				if _, err := d.Prepare(t.Context(), p, quiet); fault.IsOfJob(err) {
					t.Errorf("the job is blamed: %v", err)
				}
				e.Always(call, nil)
				if err := d.Cleanup(t.Context(), p.Claim.Job); err != nil {
					t.Error(err)
				}
				if _, err := d.Sweep(t.Context(), noon, time.Hour, false); err != nil || len(e.Objects()) != 0 {
					t.Errorf("left %q (%v)", e.Objects(), err)
				}
			})
		}
	}
}
