package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/docker/docker/api/types/image"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// The platform of a project's image once became every project's. Its image lay under the tag
// until the next pull.
func TestAnotherJobsPlatformIsNoOtherJobs(t *testing.T) {
	name, digest := pushMultiPlatform(t, "group/multi/sh")
	t.Cleanup(func() { removeImage(t, name); removeImage(t, world.Registry.LocalHost+"/group/multi/sh@"+digest) })
	script := `echo "it runs"`
	// foreign runs a job in the image for arm64. It fails unless the host can run arm64.
	foreign := func() {
		t.Helper()
		p := images(world.Job(script), name, rig.ImageDind)
		p.Image.ExecutorOpts.Docker.Platform = "linux/arm64"
		r := runJob(t, p).says("pulled " + name).saysNot("it runs")
		if r.State == local.Success {
			t.Fatal("an image for arm64 ran")
		}
		if img, err := world.Engine.ImageInspect(t.Context(), name); err != nil || img.Architecture != "arm64" {
			t.Fatalf("under the name lies %s: %v", img.Architecture, err)
		}
	}
	foreign()
	runJob(t, images(world.Job(script), name, rig.ImageDind)).succeeded().quietCleanup().says("pulled "+name, "it runs")
	foreign()
	settings, err := world.WriteSettings("platform.toml", fmt.Sprintf("[[policy]]\njob.image = %q\n", name))
	if err != nil {
		t.Fatal(err)
	}
	p := world.Job(script)
	p.Image = local.Image{}
	runJob(t, p, withSettings(settings)).succeeded().quietCleanup().says("pulled "+name, "it runs")
	runJob(t, p, withSettings(settings)).succeeded().says("it runs").saysNot("pulling")
}

// pushMultiPlatform pushes busybox for this machine and a stub for arm64 under the same tag. It
// returns the name and the digest of both.
func pushMultiPlatform(t *testing.T, repo string) (name, digest string) {
	t.Helper()
	var fs bytes.Buffer
	w := tar.NewWriter(&fs)
	for _, f := range []string{"bin/sh", "bin/bash"} {
		elf := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
		elf[16], elf[18] = 2, 183 // an executable for AArch64
		if err := w.WriteHeader(&tar.Header{Name: f, Mode: 0o755, Size: int64(len(elf))}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(elf)
	}
	_ = w.Close()
	arm := "gitlab-dind-executor.test/arm64:e2e"
	out, err := world.Engine.ImageImport(t.Context(), image.ImportSource{Source: &fs, SourceName: "-"}, arm, image.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	out.Close()
	t.Cleanup(func() { removeImage(t, arm) })

	type entry map[string]any
	var manifests []entry
	for _, c := range []struct{ arch, from string }{{"amd64", rig.ImageBusybox}, {"arm64", arm}} {
		arch, from := c.arch, c.from
		if err := world.Registry.Push(t.Context(), world.Engine, from, repo+":"+arch); err != nil {
			t.Fatal(err)
		}
		digest, body := manifest(t, http.MethodGet, repo, arch, dockerManifest, nil)
		if arch == "arm64" { // the engine writes its own architecture into imported images
			digest, body = relabelled(t, repo, arch, body)
		}
		manifests = append(manifests, entry{
			"mediaType": dockerManifest, "digest": digest, "size": len(body),
			"platform": entry{"os": "linux", "architecture": arch},
		})
	}
	list, err := json.Marshal(entry{"schemaVersion": 2, "mediaType": dockerList, "manifests": manifests})
	if err != nil {
		t.Fatal(err)
	}
	digest, _ = manifest(t, http.MethodPut, repo, "1", dockerList, list)
	return world.Registry.LocalHost + "/" + repo + ":1", digest
}

// relabelled pushes an image again with another architecture in its config.
func relabelled(t *testing.T, repo, arch string, body []byte) (digest string, manifested []byte) {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	config := m["config"].(map[string]any)
	_, _, text := ask(t, http.MethodGet, "/v2/"+repo+"/blobs/"+config["digest"].(string), "application/octet-stream", nil)
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c["architecture"] = arch
	text, _ = json.Marshal(c)
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256(text))
	config["digest"], config["size"] = sum, len(text)
	_, upload, _ := ask(t, http.MethodPost, "/v2/"+repo+"/blobs/uploads/", "", nil)
	at, err := url.Parse(upload)
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	q.Set("digest", sum)
	ask(t, http.MethodPut, at.Path+"?"+q.Encode(), "application/octet-stream", text)
	manifested, _ = json.Marshal(m)
	digest, _ = manifest(t, http.MethodPut, repo, arch, dockerManifest, manifested)
	return digest, manifested
}

// manifest gets or puts a manifest, and returns its digest and bytes.
func manifest(t *testing.T, method, repo, tag, kind string, body []byte) (digest string, answer []byte) {
	t.Helper()
	digest, _, answer = ask(t, method, "/v2/"+repo+"/manifests/"+tag, kind, body)
	return digest, answer
}

// ask asks the registry as its own user.
func ask(t *testing.T, method, path, kind string, body []byte) (digest, location string, answer []byte) {
	t.Helper()
	r := world.Registry
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+r.LocalHost+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(r.User, r.Password)
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", kind)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, err = io.ReadAll(res.Body); err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%s %s: status %d, %v: %s", method, req.URL, res.StatusCode, err, answer)
	}
	return res.Header.Get("Docker-Content-Digest"), res.Header.Get("Location"), answer
}
