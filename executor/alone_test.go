package executor

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/label"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// A job of try takes nothing from the pool and the caches of Runners' jobs. The job asks
// for no sandbox for the next job, and writes no line of an operator's log. The same job of
// a Runner does all of this.
func TestAJobOfATryTouchesNothingOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		alone bool
	}{"a job of a Runner": {false}, "a job of try": {true}} {
		t.Run(name, func(t *testing.T) {
			e := fakeengine.New(t)
			old := poolSocket
			t.Cleanup(func() { poolSocket = old })
			asked := listenForPool(t)
			dir := t.TempDir()
			log := filepath.Join(dir, "operator.log")
			payload, settings := filepath.Join(dir, "response.json"), filepath.Join(dir, "dind.toml")
			for file, content := range map[string]string{
				payload: with(""),
				settings: "[engine]\nhost = \"" + e.Host + "\"\n[pool]\nsize = 2\n[cleanup]\nhold_failed = \"1h\"\n[cache]\nvolume = true\nlayers = \"project\"\n" +
					"[log]\nfile = \"" + log + "\"\n[mirror]\nenabled = " + strconv.FormatBool(c.alone) + "\n",
			} {
				if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, hook := range []string{"prepare", "cleanup"} {
				args := []string{"--settings", settings}
				if c.alone {
					args = append(args, "--alone")
				}
				var out, said bytes.Buffer
				if code := Main(append(args, hook), []string{"JOB_RESPONSE_FILE=" + payload, "CUSTOM_ENV_CI_JOB_STATUS=failed"}, &out, &said); code != 0 {
					t.Fatalf("%s: exit code %d, log %q", hook, code, said.String())
				}
				if hook == "prepare" {
					pages := 0
					for _, o := range e.Containers() {
						if o.Labels[label.URL] != "" {
							pages++
						}
					}
					if (pages == 0) != c.alone {
						t.Errorf("%d containers name the job's page in a GitLab", pages)
					}
				}
				if c.alone && strings.Contains(said.String(), "mirror") {
					t.Errorf("%s says %q", hook, said.String())
				}
			}
			conn, err := net.Dial("unix", poolSocket)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte("last"))
			conn.Close()
			if first := ends.Await(t, asked, "whoever asks for a sandbox"); (first == "last") != c.alone {
				t.Errorf("asked first for a sandbox: %.40q", first)
			}
			if _, err := os.Stat(log); (err == nil) == c.alone {
				t.Errorf("the operator's log: %v", err)
			}
			held := len(e.Objects()) > 0
			if held == c.alone {
				t.Errorf("what is left: %v", e.Objects())
			}
		})
	}
}

// The settings of a try share nothing with other jobs.
func TestSettingsOfATryShareNothing(t *testing.T) {
	s := config.Default()
	s.Pool.Size, s.Cache.Volume, s.Cache.Layers, s.Cleanup.HoldFailed = 2, true, config.LayersProject, 1
	s.Cache.Paths = []string{"/root/.m2"}
	s.Policies = []config.Policy{{Cache: config.PolicyCache{Layers: config.LayersProject}}}
	a := s.Alone()
	if a.Pool.Size != 0 || a.Caches() || a.Cleanup.HoldFailed != 0 || a.Log.Level != config.LogOff {
		t.Errorf("it is %+v", a)
	}
	if s.Policies[0].Cache.Layers != config.LayersProject {
		t.Error("the settings themselves are others now")
	}
}

// listenForPool listens on the socket through which hooks ask for sandboxes ahead of jobs.
func listenForPool(t *testing.T) chan string {
	t.Helper()
	poolSocket = filepath.Join(t.TempDir(), "pool.sock")
	l, err := net.Listen("unix", poolSocket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked := make(chan string, 8)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn)
			conn.Close()
			asked <- string(text)
		}
	}()
	return asked
}
