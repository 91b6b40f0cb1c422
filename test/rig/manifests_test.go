package rig

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAManifestServerTellsWhatATagMeans(t *testing.T) {
	s, err := ServeManifests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	config := "sha256:" + strings.Repeat("a", 64)
	if name := s.add(config, "docker:cli"); name != s.Host+"/docker:cli" {
		t.Errorf("the image is %s", name)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // as an engine does for 127.0.0.0/8
	defer transport.CloseIdleConnections()
	ask := func(method, path string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.Host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	res, body := ask("GET", "/v2/docker/manifests/cli")
	var manifest struct{ Config struct{ Digest string } }
	if err := json.Unmarshal([]byte(body), &manifest); err != nil || res.StatusCode != 200 || manifest.Config.Digest != config || res.Header.Get("Content-Type") != manifestType {
		t.Errorf("%d %v %s (%v)", res.StatusCode, res.Header, body, err)
	}
	digest := res.Header.Get("Docker-Content-Digest")
	if digest != digestOf([]byte(body)) {
		t.Errorf("the digest of %s is %s", body, digest)
	}
	if res, head := ask("HEAD", "/v2/docker/manifests/"+digest); res.StatusCode != 200 || head != "" || res.ContentLength != int64(len(body)) {
		t.Errorf("by its digest: %d %q, %d bytes", res.StatusCode, head, res.ContentLength)
	}
	for path, want := range map[string]int{"/v2/": 200, "/v2/docker/manifests/none": 404, "/v2/docker/blobs/" + config: 404, "/": 404} {
		if res, _ := ask("GET", path); res.StatusCode != want {
			t.Errorf("%s is answered by %d, want %d", path, res.StatusCode, want)
		}
	}
}
