package rig

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

func TestArtifactsGoUpAndDownWithTheJobsToken(t *testing.T) {
	s, err := serveArtifacts(t.Context(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Know(7, "seven")
	s.Know(8, "eight")
	call := func(method, path, token, field string) (int, string) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile(field, "out.zip")
		if err == nil {
			_, err = part.Write([]byte("content"))
		}
		if err == nil {
			err = form.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, &body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", form.FormDataContentType())
		req.Header.Set("JOB-TOKEN", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	const of7 = "/api/v4/jobs/7/artifacts"
	for _, c := range []struct {
		name, method, path, token, field string
		want                             int
	}{
		{"a report", "POST", of7 + "?artifact_type=dotenv&artifact_format=gzip&expire_in=1+day", "seven", "file", 201},
		{"a download without an archive", "GET", of7, "seven", "file", 404},
		{"an archive", "POST", of7 + "?artifact_format=zip", "seven", "file", 201},
		{"another job's token", "POST", of7, "eight", "file", 403},
		{"no token", "GET", of7, "", "file", 403},
		{"a job that is not known", "GET", "/api/v4/jobs/9/artifacts", "", "file", 403},
		{"a form without the file", "POST", of7, "seven", "other", 400},
		{"a download", "GET", of7, "seven", "file", 200},
	} {
		code, text := call(c.method, c.path, c.token, c.field)
		if code != c.want || c.want == 200 && text != "content" {
			t.Errorf("%s: %d %q, want %d", c.name, code, strings.TrimSpace(text), c.want)
		}
	}
	kept := s.Of(7)
	if len(kept) != 2 || kept[0].Type != "dotenv" || kept[0].Format != "gzip" || kept[0].ExpireIn != "1 day" ||
		kept[1].Filename != "out.zip" || string(kept[1].Content) != "content" {
		t.Errorf("kept: %+v", kept)
	}
}
