package plan

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildxWorld is the root of a file system with plugins, and a shell in it.
type buildxWorld struct {
	t    *testing.T
	root string
	env  []string
}

// fakeBuildx prints its arguments, and refuses as buildx does (builder.Create).
const fakeBuildx = `#!/bin/sh
echo "asked: $*"
case "$*" in
*fails*) echo "ERROR: no such driver" >&2; exit 3 ;;
*"buildx create"*job-*|*"buildx create"*own-context) ;;
*"buildx create"*) [ -z "$DOCKER_TLS_VERIFY" ] || { echo 'ERROR: could not create a builder instance with TLS data loaded from environment. Please use ` + "`docker context create <context-name>`" + ` to create a context' >&2; exit 1; } ;;
esac
`

func newBuildxWorld(t *testing.T, plugins ...string) *buildxWorld {
	t.Helper()
	w := &buildxWorld{t: t, root: t.TempDir()}
	w.env = []string{
		"PATH=" + w.root + "/bin:" + os.Getenv("PATH"), "HOME=" + w.root + "/root", "CI_PROJECT_DIR=" + w.root + "/builds/app",
		"DOCKER_HOST=tcp://docker:2376", "DOCKER_TLS_VERIFY=1",
	}
	w.file("bin/docker", "#!/bin/sh\ncase $2 in inspect) [ -e "+w.root+"/context-$3 ] ;; create) [ ! -e "+w.root+"/full ] || { echo disk full >&2; exit 1; }; echo $3 >>"+w.root+"/contexts; touch "+w.root+"/context-$3 ;; esac\n")
	for _, p := range plugins {
		w.file(p, fakeBuildx)
	}
	return w
}

func (w *buildxWorld) file(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// script runs a script of the job, on the stdin of a shell.
func (w *buildxWorld) script(shell, text string, env ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), shell)
	if shell == "busybox" {
		cmd.Args = append(cmd.Args, "sh")
	}
	cmd.Env = append(append([]string{}, w.env...), env...)
	all := string(Announced([]byte(text)))
	all = strings.ReplaceAll(all, "/usr/", w.root+"/usr/")
	cmd.Stdin = strings.NewReader(all)
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	said, found := strings.CutPrefix(string(out), ScriptMarker+"\n")
	if !found {
		w.t.Fatalf("the script begins with %q", out)
	}
	return strings.ReplaceAll(said, w.root, "")
}

// plugin is a shell command that finds the first docker-buildx as docker does.
const plugin = `for d in "${DOCKER_CONFIG:-$HOME/.docker}" /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker /usr/libexec/docker; do
	p=$d/cli-plugins/docker-buildx; [ -e "$p" ] && break; done
`

const (
	inImage = "usr/libexec/docker/cli-plugins/docker-buildx"
	before  = "/usr/local/lib/docker/cli-plugins/docker-buildx"
)

func shells(t *testing.T) []string {
	t.Helper()
	list := []string{"sh"}
	for _, shell := range []string{"bash", "busybox"} {
		if _, err := exec.LookPath(shell); err == nil {
			list = append(list, shell)
		}
	}
	return list
}

func TestBuildxCreateGetsAContextWhenItAsksForOne(t *testing.T) {
	for _, shell := range shells(t) {
		for name, c := range map[string]struct{ ask, want, contexts string }{
			"the first line of many pipelines": {`"$p" buildx create --use --name multi`, "asked: buildx create --use --name multi\nasked: buildx create --use --name multi job-docker-2376\n", "job-docker-2376\n"},
			"twice":                            {`"$p" buildx create >/dev/null; "$p" buildx create --append --name multi`, "asked: buildx create --append --name multi\nasked: buildx create --append --name multi job-docker-2376\n", "job-docker-2376\n"},
			"standing alone":                   {`"$p" create; echo "$?"`, "asked: create\n0\n", ""},
			"a context of its own":             {`"$p" buildx create own-context`, "asked: buildx create own-context\n", ""},
			"another error":                    {`"$p" buildx create --driver fails || echo "code $?"`, "asked: buildx create --driver fails\nERROR: no such driver\ncode 3\n", ""},
			"another command":                  {`"$p" buildx build --push -t create .`, "asked: buildx build --push -t create .\n", ""},
			"what docker asks":                 {`"$p" docker-cli-plugin-metadata`, "asked: docker-cli-plugin-metadata\n", ""},
			"words with spaces":                {`"$p" buildx create --driver-opt "a b" | tail -n 1`, "asked: buildx create --driver-opt a b job-docker-2376\n", "job-docker-2376\n"},
			"without TLS":                      {`DOCKER_TLS_VERIFY= "$p" buildx create`, "asked: buildx create\n", ""},
			"another host":                     {`DOCKER_HOST='tcp://[fd00::1]:2376' "$p" buildx create | tail -n 1`, "asked: buildx create job--fd00--1--2376\n", "job--fd00--1--2376\n"},
		} {
			w := newBuildxWorld(t, inImage)
			if said := w.script(shell, plugin+c.ask+"\n"); said != c.want {
				t.Errorf("%s, %s: said\n%swant\n%s", shell, name, said, c.want)
			}
			if got, _ := os.ReadFile(filepath.Join(w.root, "contexts")); string(got) != c.contexts {
				t.Errorf("%s, %s: made the contexts %q, want %q", shell, name, got, c.contexts)
			}
		}
		w := newBuildxWorld(t, inImage)
		w.file("full", "")
		said := w.script(shell, plugin+`"$p" buildx create 2>&1 || echo "code $?"`+"\n")
		if !strings.Contains(said, "TLS data loaded from environment") || !strings.HasSuffix(said, "docker context create job-docker-2376: disk full\ncode 1\n") {
			t.Errorf("%s: no context could be made: said\n%s", shell, said)
		}
	}
}

func TestWhereTheProgramBeforeBuildxIs(t *testing.T) {
	const home = "/root/.docker/cli-plugins/docker-buildx"
	for _, shell := range shells(t) {
		for name, c := range map[string]struct {
			plugins []string
			change  func(*buildxWorld)
			env     []string
			want    string
		}{
			"an image without buildx":           {nil, nil, nil, ""},
			"Debian's and Docker's own package": {[]string{inImage}, nil, nil, before},
			"the official image":                {[]string{"usr/local/libexec/docker/cli-plugins/docker-buildx"}, nil, nil, before},
			"an older package":                  {[]string{"usr/lib/docker/cli-plugins/docker-buildx"}, nil, nil, before},
			"the first directory itself":        {[]string{before[1:]}, nil, nil, home},
			"a user's own":                      {[]string{inImage, home[1:]}, nil, nil, ""},
			"no TLS":                            {[]string{inImage}, nil, []string{"DOCKER_TLS_VERIFY="}, ""},
			"a system that is read-only":        {[]string{inImage}, func(w *buildxWorld) { w.file("usr/local/lib", "no directory") }, nil, home},
			"a home in the sources":             {[]string{before[1:]}, nil, []string{"HOME=$ROOT/builds/app"}, ""},
			"a configuration in the sources":    {[]string{before[1:]}, nil, []string{"DOCKER_CONFIG=$ROOT/builds/app/.docker"}, ""},
			"a relative configuration":          {[]string{before[1:]}, nil, []string{"DOCKER_CONFIG=.docker"}, ""},
			"no home":                           {[]string{before[1:]}, nil, []string{"HOME="}, ""},
			"a home with spaces":                {[]string{before[1:]}, nil, []string{"HOME=$ROOT/a b"}, "/a b/.docker/cli-plugins/docker-buildx"},
		} {
			w := newBuildxWorld(t, c.plugins...)
			if c.change != nil {
				c.change(w)
			}
			for _, kv := range c.env {
				w.env = append(w.env, strings.ReplaceAll(kv, "$ROOT", w.root))
			}
			var there []string
			for range 2 { // each stage of a job has a script
				w.script(shell, "true\n")
				there = nil
				_ = filepath.WalkDir(w.root, func(path string, _ os.DirEntry, _ error) error {
					if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), "# gitlab-dind-executor") {
						there = append(there, strings.TrimPrefix(path, w.root))
					}
					return nil
				})
			}
			if strings.Join(there, " ") != c.want {
				t.Errorf("%s, %s: it is at %q, want %q", shell, name, there, c.want)
			}
			if c.want == "" {
				continue
			}
			path := c.want
			if !strings.HasPrefix(path, "/usr/") { // script moves paths of /usr below the root
				path = w.root + path
			}
			if said := w.script(shell, `"`+path+`" buildx create | tail -n 1`+"\n"); said != "asked: buildx create job-docker-2376\n" {
				t.Errorf("%s, %s: said %q", shell, name, said)
			}
		}
	}
}

// A HOME or DOCKER_CONFIG in /cache, or in a directory of the host, outlives the job. The
// next job's image may have buildx elsewhere, or no buildx.
func TestTheProgramBeforeBuildxFollowsTheImage(t *testing.T) {
	const home = "/root/.docker/cli-plugins/docker-buildx"
	for _, shell := range shells(t) {
		w := newBuildxWorld(t, before[1:])
		w.script(shell, "true\n")
		if err := os.Rename(w.root+before, w.root+"/elsewhere"); err != nil {
			t.Fatal(err)
		}
		if said := w.script(shell, "[ ! -e "+w.root+home+" ] || echo broken\n"); said != "" {
			t.Errorf("%s: an image without buildx: said %q", shell, said)
		}
		w.script(shell, "true\n")
		w.file(before[1:], fakeBuildx)
		w.script(shell, "true\n")
		if err := os.Rename(w.root+before, w.root+"/elsewhere"); err != nil {
			t.Fatal(err)
		}
		w.file(inImage, fakeBuildx)
		if said := w.script(shell, plugin+`"$p" buildx create | tail -n 1`+"\n"); said != "asked: buildx create job-docker-2376\n" {
			t.Errorf("%s: an image with buildx elsewhere: said %q", shell, said)
		}
	}
}

// Options of a shell may come with variables, too.
func TestNothingBeforeTheScriptEndsIt(t *testing.T) {
	for _, options := range []string{"errexit", "nounset", "errexit:nounset", "noclobber:errexit", "noglob:posix"} {
		for _, present := range []string{"", "#!/bin/sh", "\n", fakeBuildx} {
			w := newBuildxWorld(t)
			w.file(before[1:], present)
			if said := w.script("bash", "echo done\n", "SHELLOPTS="+options); said != "done\n" {
				t.Errorf("%s, %q: said %q", options, present, said)
			}
		}
	}
}
