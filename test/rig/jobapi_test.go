package rig

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// caller acts as a Runner does. Its paths, headers and bodies are those of GitLab Runner's
// network package.
type caller struct {
	t   *testing.T
	api *JobAPI
}

type reply struct {
	code   int
	header http.Header
	body   string
}

func (c caller) call(method, path, body string, headers ...string) reply {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.api.URL+"/api/v4/"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	if err := res.Write(&text); err != nil {
		c.t.Fatal(err)
	}
	_, content, _ := strings.Cut(text.String(), "\r\n\r\n")
	return reply{res.StatusCode, res.Header, content}
}

func (c caller) patch(token, contentRange, text string) reply {
	return c.call("PATCH", "jobs/7/trace?debug_trace=false", text, "JOB-TOKEN", token, "Content-Range", contentRange, "Content-Type", "text/plain")
}

func (r reply) expect(t *testing.T, what string, code int, headers ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("%s is answered by %d, want %d: %s", what, r.code, code, r.body)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if got := r.header.Get(headers[i]); got != headers[i+1] {
			t.Errorf("%s: %s is %q, want %q", what, headers[i], got, headers[i+1])
		}
	}
}

func startJobAPI(t *testing.T) caller {
	t.Helper()
	api, err := ServeJobAPI(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	return caller{t, api}
}

func TestARunnerGetsAJobAndTellsItsEnd(t *testing.T) {
	c := startJobAPI(t)
	mine := `{"token":"` + c.api.Token + `","system_id":"s_1","info":{"executor":"custom"}}`
	c.call("POST", "runners/verify", mine).expect(t, "verify", 200)
	c.call("POST", "runners/verify", `{"token":"other"}`).expect(t, "verify of another", 403)
	c.call("POST", "jobs/request", `{"token":"other"}`).expect(t, "the request of another", 403)
	c.call("POST", "jobs/request", "{").expect(t, "nonsense", 400)
	c.call("POST", "jobs/request", mine).expect(t, "a request while there is no job", 204)

	job, err := c.api.Offer(7, "job-token", map[string]any{"id": 7, "token": "job-token"})
	if err != nil {
		t.Fatal(err)
	}
	r := c.call("POST", "jobs/request", mine)
	r.expect(t, "a request", 201, "Content-Type", "application/json")
	var payload struct{ ID int64 }
	if err := json.Unmarshal([]byte(r.body), &payload); err != nil || payload.ID != 7 {
		t.Errorf("the payload is %q (%v)", r.body, err)
	}
	c.call("POST", "jobs/request", mine).expect(t, "a second request", 204)

	_, more := job.Trace()
	c.patch("job-token", "0-5", "one\ntw").expect(t, "the log", 202, "Range", "0-6", "Job-Status", "running", "X-GitLab-Trace-Update-Interval", "1")
	<-more
	c.patch("job-token", "4-8", "two\n").expect(t, "what was sent before", 416, "Range", "0-6")
	c.patch("job-token", "6-9", "o").expect(t, "a range that lies", 416, "Range", "0-6")
	c.patch("job-token", "six", "o").expect(t, "no range", 400)
	c.patch("other", "6-7", "o\n").expect(t, "another's log", 403)
	c.patch("job-token", "6-7", "o\n").expect(t, "the rest of the log", 202, "Range", "0-8")

	c.call("PUT", "jobs/7", `{"token":"job-token","state":"running"}`).expect(t, "a sign of life", 200, "Job-Status", "running")
	job.Cancel()
	c.call("PUT", "jobs/7", `{"token":"job-token","state":"running"}`).expect(t, "the next", 200, "Job-Status", "canceling")
	c.call("PUT", "jobs/7", `{"token":"other","state":"success"}`).expect(t, "another's end", 403)
	c.call("PUT", "jobs/7", `{"token":"job-token","state":"well"}`).expect(t, "an unknown state", 400)
	select {
	case <-job.Done():
		t.Error("it has ended early")
	default:
	}
	c.call("PUT", "jobs/7", `{"token":"job-token","state":"failed","failure_reason":"script_failure","exit_code":42,"checksum":"crc32:0"}`).expect(t, "the end", 200)
	<-job.Done()
	if e := job.End(); e != (JobEnd{"failed", "script_failure", 42}) {
		t.Errorf("the end is %+v", e)
	}
	if taken, told := job.Times(); taken.IsZero() || told.Before(taken) {
		t.Errorf("it was taken at %v and ended at %v", taken, told)
	}
	if text, _ := job.Trace(); text != "one\ntwo\n" {
		t.Errorf("the log is %q", text)
	}
	c.patch("job-token", "8-9", "x\n").expect(t, "a log after the end", 403, "Job-Status", "failed")
	c.call("PUT", "jobs/7", `{"token":"job-token","state":"success"}`).expect(t, "another end", 403)
	if verified, asked := c.api.Calls(); verified != 1 || asked != 3 {
		t.Errorf("%d verifications and %d requests are counted", verified, asked)
	}
}

func TestArtifactsOfTheJobAPIBelongToItsJobs(t *testing.T) {
	c := startJobAPI(t)
	if _, err := c.api.Offer(7, "job-token", nil); err != nil {
		t.Fatal(err)
	}
	const form = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\ncontent\r\n--b--\r\n"
	upload := func(token string) reply {
		return c.call("POST", "jobs/7/artifacts?artifact_type=archive&artifact_format=zip", form, "JOB-TOKEN", token, "Content-Type", "multipart/form-data; boundary=b")
	}
	upload("other").expect(t, "an upload of another", 403)
	upload("job-token").expect(t, "an upload", 201)
	if r := c.call("GET", "jobs/7/artifacts?direct_download=true", "", "JOB-TOKEN", "job-token"); r.code != 200 || r.body != "content" {
		t.Errorf("%d %q", r.code, r.body)
	}
}
