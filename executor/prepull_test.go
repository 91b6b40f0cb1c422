package executor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

const helperOf18 = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper:x86_64-v18.6.6"

func TestPrepullFetchesTheImagesOfTheSettings(t *testing.T) {
	e := fakeengine.New(t)
	for i, want := range []string{
		"fetched docker:dind\nfetched docker:latest\nfetched " + helperOf18 + "\n",
		"docker:dind was there\ndocker:latest was there\n" + helperOf18 + " was there\n",
	} {
		code, stdout, log := hook(t, e, with(""), "prepull", "--runner-version", "18.6.6")
		if code != 0 || stdout != want {
			t.Errorf("exit code %d, said %q and %q", code, stdout, log)
		}
		if !strings.HasPrefix(log, "pulling docker:dind\npulled docker:dind in ") || !strings.Contains(log, "\npulling docker:latest\n") {
			t.Errorf("what takes long is not told: %q", log)
		}
		if n := e.Count("POST /images/create"); n != 3*(i+1) {
			t.Errorf("%d pulls: what is new of an image would never come", n)
		}
	}
}

func TestPrepullTellsWhatItCouldNotFetch(t *testing.T) {
	e := fakeengine.New(t)
	e.Script("POST /images/create", fakeengine.Refuse(404, "pull access denied for docker, repository does not exist"), nil)
	code, stdout, log := hook(t, e, with(""), "prepull", "--runner-version", "18.6.6")
	if code != 99 || stdout != "fetched docker:latest\nfetched "+helperOf18+"\n" {
		t.Errorf("exit code %d, said %q", code, stdout)
	}
	for _, want := range []string{
		"error: pulling image docker:dind: ", "\nhint: check the name in the settings, or log in with docker login",
		"error: 1 of 3 images could not be fetched",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q: %s", want, log)
		}
	}
}

func TestTheRunnersVersionForTheHelpersImage(t *testing.T) {
	for name, c := range map[string]struct{ runner, image, log string }{
		"a release":           {runner: "Version:      18.6.6\nGit revision: 1234\n", image: helperOf18},
		"a development build": {runner: "Version:      18.7.0~pre.1\n", image: strings.TrimSuffix(helperOf18, "v18.6.6") + "latest"},
		"no Runner here":      {log: "hint: give it with --runner-version"},
		"not a Runner":        {runner: "hello\n", log: "helper image: it tells none"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PATH", dir+":/bin:/usr/bin")
			if c.runner != "" {
				script := "#!/bin/sh\ncat <<E\n" + c.runner + "E\n"
				if err := os.WriteFile(filepath.Join(dir, "gitlab-runner"), []byte(script), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			code, stdout, log := hook(t, fakeengine.New(t), with(""), "prepull")
			if c.image != "" && (code != 0 || !strings.Contains(stdout, "fetched "+c.image+"\n")) {
				t.Errorf("exit code %d, said %q and %q", code, stdout, log)
			}
			if c.log != "" && (code != 99 || !strings.Contains(log, c.log) || !strings.Contains(stdout, "fetched docker:dind\n") || !strings.Contains(log, "1 of 3")) {
				t.Errorf("exit code %d, said %q and %q", code, stdout, log)
			}
		})
	}
}
