package local

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// wanted tells whether a cache or an artifact with this `when` is due.
func wanted(when string, success bool) bool {
	switch when {
	case "always":
		return true
	case "on_failure":
		return !success
	case "", "on_success":
		return success
	}
	return false
}

func pathArgs(flag string, paths []string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, flag, p)
	}
	return out
}

// contents returns the arguments that name the content of a cache or an artifact.
func contents(paths []string, untracked bool) []string {
	out := pathArgs("--path", paths)
	if untracked {
		out = append(out, "--untracked")
	}
	return out
}

// cacheKey is a cache's key, or the job's name and ref.
func (w *scriptWriter) cacheKey(key string) string {
	if key != "" {
		return w.vars.expandValue(key)
	}
	p := w.build.payload
	return strings.TrimPrefix(path.Join("/", p.JobInfo.Name, p.GitInfo.Ref), "/")
}

// cacheFile is the archive of a key, seen from the project's folder.
func (w *scriptWriter) cacheFile(key string) (string, error) {
	file := path.Join(w.build.cacheDir, key, "cache.zip")
	rel, err := filepath.Rel(w.build.projectDir, file)
	if err != nil {
		return "", fmt.Errorf("placing the cache: %w", err)
	}
	return rel, nil
}

// policy tells whether the cache's policy includes pull or push.
func (w *scriptWriter) policy(c Cache, direction string) (bool, error) {
	switch p := w.vars.expandValue(c.Policy); p {
	case "", "pull-push":
		return true, nil
	case "pull", "push":
		return p == direction, nil
	default:
		return false, fmt.Errorf("unknown cache policy %s for %s", p, w.cacheKey(c.Key))
	}
}

func (w *scriptWriter) cacheTimeout() string {
	return strconv.Itoa(w.vars.number("CACHE_REQUEST_TIMEOUT", 10)) // minutes
}

// restoreCache extracts the caches. A missing cache fails nothing.
func (w *scriptWriter) restoreCache() (some bool, err error) {
	w.exports()
	w.cd()
	for _, c := range w.build.payload.Cache {
		if len(contents(c.Paths, c.Untracked)) == 0 {
			continue
		}
		some = true
		pull, err := w.policy(c, "pull")
		if err != nil {
			return false, err
		}
		if !pull {
			w.notice("Not downloading cache " + w.cacheKey(c.Key) + " due to policy")
			continue
		}
		keys := []string{w.cacheKey(c.Key)}
		for _, k := range append(append([]string{}, c.FallbackKeys...), w.vars.value("CACHE_FALLBACK_KEY")) {
			if k = w.vars.expandValue(k); k != "" {
				keys = append(keys, k)
			}
		}
		w.guarded("Extracting cache", func() { err = w.extract(keys) })
		if err != nil {
			return false, err
		}
	}
	w.chown(w.build.cacheDir, w.build.buildsDir)
	return some, nil
}

// extract tries the keys one after the other.
func (w *scriptWriter) extract(keys []string) error {
	file, err := w.cacheFile(keys[0])
	if err != nil {
		return err
	}
	w.notice("Checking cache for " + keys[0] + "...")
	w.block(quoteAll("gitlab-runner", "cache-extractor", "--file", file, "--timeout", w.cacheTimeout())+" ",
		func() { w.notice("Successfully extracted cache") },
		func() {
			w.warning("Failed to extract cache")
			if len(keys) > 1 {
				err = w.extract(keys[1:])
			}
		})
	return err
}

// archiveCache archives the caches for the script's success or failure.
func (w *scriptWriter) archiveCache(success bool) (some bool, err error) {
	w.exports()
	w.cd()
	for _, c := range w.build.payload.Cache {
		paths := contents(c.Paths, c.Untracked)
		if !wanted(c.When, success) || len(paths) == 0 {
			continue
		}
		some = true
		key := w.cacheKey(c.Key)
		push, err := w.policy(c, "push")
		if err != nil {
			return false, err
		}
		if !push {
			w.notice("Not uploading cache " + key + " due to policy")
			continue
		}
		file, err := w.cacheFile(key)
		if err != nil {
			return false, err
		}
		w.guarded("Creating cache", func() { w.archive(key, file, paths) })
	}
	return some, nil
}

func (w *scriptWriter) archive(key, file string, paths []string) {
	w.notice("Creating cache " + key + "...")
	described := w.build.shape.describesCaches()
	envFile := w.tempFile("gitlab_runner_cache_env")
	if described {
		meta, _ := json.Marshal(map[string]string{"cachekey": key}) // cannot fail
		value := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(string(meta))
		w.linef("cat << EOF > %s\nCACHE_METADATA=\"%s\"\nEOF\n", quote(envFile), value)
	}

	words := []string{"gitlab-runner", "cache-archiver", "--file", file}
	if w.build.shape.hashesCaches() {
		words = append(words, "--alternate-file", w.hashedCacheFile(key))
	}
	words = append(words, "--timeout", w.cacheTimeout())
	words = append(words, paths...)
	if described {
		words = append(words, "--env-file", envFile)
	}
	w.block(quoteAll(words...)+" ",
		func() { w.notice("Created cache") },
		func() { w.warning("Failed to create cache") })
	if described {
		w.removeFile(envFile)
	}
}
