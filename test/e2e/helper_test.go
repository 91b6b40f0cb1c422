package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/executor/local"
	"gitlab-dind-executor/test/rig"
)

// helperSettings are the lab's settings with another helper image and more lines about the
// helper. The image has git and a shell alone.
func helperSettings(t *testing.T, lines, more string) string {
	t.Helper()
	file := settingsWith(t, more)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old, other := "[helper]\nimage = \""+rig.ImageHelper+"\"", "[helper]\nimage = \""+rig.ImageCLI+"\"\n"+lines
	if !strings.Contains(string(text), old) {
		t.Fatalf("the lab's settings name no helper:\n%s", text)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, other, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// keeping gives a job a cache and artifacts.
func keeping(p local.Payload) local.Payload {
	p.Cache = []local.Cache{{Key: "default", Paths: []string{"vendor/"}, Policy: "pull-push", When: "on_success"}}
	p.Artifacts = []local.Artifact{{Paths: []string{"README.md"}}}
	return p
}

func TestHelperWithoutTheRunnersProgramSaysSoOnce(t *testing.T) {
	const warning = "warning: the helper has no gitlab-runner, so this job's caches and artifacts are skipped"
	settings := helperSettings(t, "", "")
	r := runJob(t, keeping(world.Job(`true`)), under(settings)).succeeded().quietCleanup().
		says("Restoring cache", warning, "\nhint: ask the runner's admin", "Missing gitlab-runner. Extracting cache is disabled.", "Missing gitlab-runner. Uploading artifacts is disabled.")
	if n := strings.Count(r.log, warning); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	runJob(t, world.Job(`true`), under(settings)).succeeded().saysNot("warning: ")
}

// The test's engine is local. Behind a TCP address the engine is elsewhere.
func TestHelperUsesTheRunnersProgramOfTheHost(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gitlab-runner")
	script := "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'Version:      17.1.0'; exit; }\necho \"called with $1 in $(basename $PWD)\"\n"
	if err := os.WriteFile(binary, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]string{
		"on this host": "",
		"elsewhere":    "\n[engine]\nhost = \"tcp://" + forwarded(t, strings.TrimPrefix(world.Engine.DaemonHost(), "unix://")) + "\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			settings := helperSettings(t, "runner_binary = \""+binary+"\"\n", more)
			mounted := false
			look := func(r *local.Runner) {
				r.OnHook = func(h local.Hook) {
					if h.Stage == "build_script" {
						mounted = mountsOfHelper(t)[binary]
					}
				}
			}
			runJob(t, keeping(world.Job(`true`)), under(settings), look).succeeded().quietCleanup().
				says("Restoring cache", "warning: the helper has gitlab-runner 17.1.0, the runner is 18.6.6", "\nhint: ",
					"called with cache-extractor in app", "called with cache-archiver in app", "called with artifacts-uploader in app").
				saysNot("Missing gitlab-runner")
			if mounted != (more == "") {
				t.Errorf("mounted, not copied: %t", mounted)
			}
		})
	}
}

// mountsOfHelper are the paths of this host in the only helper.
func mountsOfHelper(t *testing.T) map[string]bool {
	t.Helper()
	paths := map[string]bool{}
	for name := range ours(t) {
		if !strings.HasSuffix(name, "-helper") {
			continue
		}
		c, err := world.Engine.ContainerInspect(t.Context(), name)
		if err != nil {
			t.Error(err)
		}
		for _, m := range c.Mounts {
			paths[m.Source] = true
			if m.Type == "bind" && m.RW {
				t.Errorf("%s can be written", m.Source)
			}
		}
	}
	return paths
}

// forwarded makes the engine's socket available at a TCP address of this host.
func forwarded(t *testing.T, socket string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			go forward(client.(*net.TCPConn), socket)
		}
	}()
	return l.Addr().String()
}

// forward hands on the end of each direction by itself, because attached streams need this.
func forward(client *net.TCPConn, socket string) {
	defer client.Close()
	engine, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer engine.Close()
	there := make(chan struct{})
	go func() {
		defer close(there)
		_, _ = io.Copy(engine, client)
		_ = engine.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(client, engine)
	_ = client.CloseWrite()
	<-there
}
