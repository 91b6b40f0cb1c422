package local

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// hashedCacheFile is the second place where the Runner from 18.11 on looks for a key's
// archive.
func (w *scriptWriter) hashedCacheFile(key string) string {
	sum := sha256.Sum256([]byte(key))
	file, _ := w.cacheFile(hex.EncodeToString(sum[:])) // the caller has placed the key itself
	return file
}

// server is the URL for artifacts, "" for none.
func (w *scriptWriter) server() string {
	return cmp.Or(w.build.runner.URL, w.vars.value("CI_SERVER_URL"))
}

// downloadArtifacts fetches the artifacts of earlier jobs for this job.
func (w *scriptWriter) downloadArtifacts() bool {
	var jobs []Dependency
	for _, d := range w.build.payload.Dependencies {
		if d.ArtifactsFile.Filename != "" {
			jobs = append(jobs, d)
		}
	}
	if len(jobs) == 0 {
		return false
	}
	w.exports()
	w.cd()
	w.guarded("Artifacts downloading", func() {
		for _, d := range jobs {
			id := strconv.FormatInt(d.ID, 10)
			w.notice("Downloading artifacts for " + d.Name + " (" + id + ")...")
			w.command("gitlab-runner", "artifacts-downloader", "--url", w.server(), "--token", d.Token, "--id", id)
		}
	})
	w.chown(w.build.cacheDir, w.build.buildsDir)
	return true
}

// uploadArtifacts uploads the artifacts for the script's success or failure.
func (w *scriptWriter) uploadArtifacts(success bool) (some bool) {
	if w.server() == "" {
		return false
	}
	w.exports()
	w.cd()
	for _, a := range w.build.payload.Artifacts {
		paths := contents(a.Paths, false)
		paths = append(paths, pathArgs("--exclude", a.Exclude)...)
		if a.Untracked {
			paths = append(paths, "--untracked")
		}
		if !wanted(a.When, success) || len(paths) == 0 {
			continue
		}
		some = true
		words := []string{
			"gitlab-runner", "artifacts-uploader", "--url", w.server(),
			"--token", w.build.payload.Token, "--id", strconv.FormatInt(w.build.payload.ID, 10),
		}
		if w.build.shape.boundsUploads() {
			words = append(words, "--timeout", "1h0m0s", "--response-header-timeout", "10m0s")
		}
		words = append(words, paths...)
		for _, f := range [][2]string{
			{"--name", a.Name},
			{"--expire-in", a.ExpireIn},
			{"--artifact-format", a.Format},
			{"--artifact-type", a.Type},
		} {
			if f[1] != "" {
				words = append(words, f[0], f[1])
			}
		}
		w.guarded("Uploading artifacts", func() {
			w.notice("Uploading artifacts...")
			w.command(words...)
		})
	}
	return some
}
