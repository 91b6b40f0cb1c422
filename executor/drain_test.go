package executor

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gitlab-dind-executor/driver/looking"
	"gitlab-dind-executor/driver/owner"
	"gitlab-dind-executor/test/fakeengine"
)

// aJobOn makes a network as a living job's sandbox has, and returns a function that ends
// the job.
func aJobOn(t *testing.T, e *fakeengine.Engine) (end func()) {
	t.Helper()
	owner, err := owner.CallingRunner()
	if err != nil {
		t.Fatal(err)
	}
	api := "http://" + strings.TrimPrefix(e.Host, "tcp://")
	call := func(method, path, body string) {
		r, err := http.NewRequest(method, api+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode >= 300 {
			t.Errorf("%s %s: %s", method, path, answer.Status)
		}
	}
	call("POST", "/networks/create", fmt.Sprintf(`{"Name": "dind-0123456789ab", "Labels": {
		"gitlab-dind-executor.sandbox": "0123456789ab", "gitlab-dind-executor.role": "network",
		"gitlab-dind-executor.created": %q, "gitlab-dind-executor.deadline": %q,
		"gitlab-dind-executor.job": "gitlab.example.com/1000", "gitlab-dind-executor.owner": %q}}`,
		time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339), owner))
	return func() { call("DELETE", "/networks/dind-0123456789ab", "") }
}

// saying is an output that calls then once it has received text.
type saying struct {
	bytes.Buffer
	text string
	then func()
}

func (s *saying) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.text)) {
		s.then()
	}
	return s.Buffer.Write(p)
}

func TestADrainWaitsForTheLastJob(t *testing.T) {
	drainEvery = time.Millisecond
	t.Cleanup(func() { drainEvery = 2 * time.Second })
	e := fakeengine.New(t)
	t.Setenv("DOCKER_HOST", e.Host)
	var log bytes.Buffer
	out := &saying{text: "waiting for job gitlab.example.com/1000 (making)\n", then: aJobOn(t, e)}
	code := Main([]string{"--settings", "/dev/null", "drain", "--timeout", "1m"}, nil, out, &log)
	if code != 0 || log.Len() > 0 || out.String() != out.text+"no job is left\n" {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
}

func TestADrainFailsWhenJobsAreLeft(t *testing.T) {
	e := fakeengine.New(t)
	t.Setenv("DOCKER_HOST", e.Host)
	end := aJobOn(t, e)
	var out, log bytes.Buffer
	code := Main([]string{"--settings", "/dev/null", "drain", "--timeout", "0s"}, nil, &out, &log)
	const want = "error: after 0s there is still job gitlab.example.com/1000 (making)\nhint: "
	if code != 2 || out.Len() > 0 || !strings.HasPrefix(log.String(), want) {
		t.Errorf("exit code %d, said %q and %q", code, out.String(), log.String())
	}
	if n := e.Count("GET /system/df"); n > 0 {
		t.Errorf("all volumes were walked %d times", n)
	}
	end()
}

func TestADrainDoesNotWaitForWhatIsHeldOfFailedJobs(t *testing.T) {
	all := []looking.SandboxStatus{
		{Sandbox: "0123456789ab", State: looking.Held, Job: "gitlab.example.com/7"},
		{Sandbox: "123456789abc", State: looking.Running, Job: "gitlab.example.com/8", Project: "group/app"},
		{Sandbox: "23456789abcd", State: looking.Making},
	}
	const want = "job gitlab.example.com/8 of group/app (running), sandbox 23456789abcd (making)"
	if got := strings.Join(undrained(all), ", "); got != want {
		t.Errorf("it waits for %s", got)
	}
}
