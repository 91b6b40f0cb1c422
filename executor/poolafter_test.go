package executor

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// EnvOfTestPool names a test's socket to the processes of hooks. Hooks hand on all
// variables with the prefix XDG_.
const EnvOfTestPool = "XDG_TEST_POOL_SOCKET"

// ListenForPlansAt replaces the socket of systemd's unit, unless path is "".
func ListenForPlansAt(path string) {
	if path != "" {
		poolSocket = path
	}
}

// Layers are free when their job has ended. A process then asks for a sandbox with these
// layers, of the kind that prepare looks for.
func TestAJobThatHasEndedAsksForASandboxWithItsLayers(t *testing.T) {
	old := poolSocket
	t.Cleanup(func() { poolSocket = old })
	poolSocket = filepath.Join(t.TempDir(), "pool.sock")
	l, err := net.Listen("unix", poolSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan []byte, 4)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			text, _ := io.ReadAll(conn)
			conn.Close()
			asked <- text
		}
	}()
	for _, c := range []struct { // they ask at the same socket
		layers string
		want   int
	}{{"project", 2}, {"off", 1}} {
		layers, want := c.layers, c.want
		e := fakeengine.New(t)
		dir := t.TempDir()
		payload, settings := filepath.Join(dir, "response.json"), filepath.Join(dir, "dind.toml")
		for file, content := range map[string]string{
			payload: with(""), settings: "[engine]\nhost = \"" + e.Host + "\"\n[pool]\nsize = 1\n[cache]\nlayers = \"" + layers + "\"\n",
		} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, hook := range []string{"prepare", "cleanup"} {
			var out, log bytes.Buffer
			if code := Main([]string{"--settings", settings, hook}, []string{"JOB_RESPONSE_FILE=" + payload, EnvOfTestPool + "=" + poolSocket}, &out, &log); code != 0 {
				t.Fatalf("%s: exit code %d, log %q", hook, code, log.String())
			}
		}
		var plans []*plan.Plan
		for range want {
			text := ends.Await(t, asked, fmt.Sprintf("sandbox %d of %d with layers %s", len(plans)+1, want, layers))
			p, err := plan.Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			plans = append(plans, p)
		}
		if plans[0].Pool.AfterJob {
			t.Errorf("layers %s: prepare says that the job has ended", layers)
		}
		if want == 2 && (!plans[1].Pool.AfterJob || plans[1].Spec != plans[0].Spec) {
			t.Errorf("cleanup asks for %+v of kind %s, prepare for %s", plans[1].Pool, plans[1].Spec, plans[0].Spec)
		}
		if len(asked) > 0 {
			t.Errorf("layers %s: a sandbox was asked for more than %d times", layers, want)
		}
	}
}
