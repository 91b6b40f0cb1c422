package forge

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"testing"
)

// upload uploads a file as the helper does, and returns the answer's HTTP status.
func upload(t *testing.T, s *Server, job int, kind, content string) int {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "../artifacts.zip")
	_, _ = part.Write([]byte(content))
	form.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("%s/api/v4/jobs/%d/artifacts?artifact_type=%s", s.URL, job, kind), &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("JOB-TOKEN", s.Token)
	req.Header.Set("Content-Type", form.FormDataContentType())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestArtifactsAreKeptForOtherJobs(t *testing.T) {
	s := serve(t, repository(t))
	s.Runs(7)
	if got := upload(t, s, 7, "junit", "a report"); got != http.StatusCreated || s.Has(7) {
		t.Errorf("a report counts as an archive: %d", got)
	}
	if got := upload(t, s, 7, "archive", "content"); got != http.StatusCreated || !s.Has(7) {
		t.Errorf("the archive is not there: %d", got)
	}
	s.Runs(8) // the other job's artifacts stay as they are
	if got := upload(t, s, 7, "archive", "another"); got != http.StatusForbidden {
		t.Errorf("of a job that does not run: %d", got)
	}
	if got := upload(t, s, 0, "archive", "another"); got != http.StatusForbidden || s.Has(0) {
		t.Errorf("of no job: %d", got)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/v4/jobs/7/artifacts", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("JOB-TOKEN", s.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "content" {
		t.Errorf("%q (%v)", text, err)
	}
}
