package executor

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/ends"
	"gitlab-dind-executor/test/fakeengine"
)

// Where systemd listens, the unit gets the plan of the job's sandbox, and no process of
// ours outlives the hook.
func TestAPreparedJobAsksForAnotherSandboxOfItsKind(t *testing.T) {
	old := poolSocket
	t.Cleanup(func() { poolSocket = old })
	poolSocket = filepath.Join(t.TempDir(), "pool.sock")
	l, err := net.Listen("unix", poolSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type answer struct {
		text []byte
		err  error
	}
	asked := make(chan answer, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			asked <- answer{nil, err}
			return
		}
		defer conn.Close()
		text, err := io.ReadAll(conn)
		asked <- answer{text, err}
	}()
	e := fakeengine.New(t)
	dir := t.TempDir()
	payload, settings := filepath.Join(dir, "response.json"), filepath.Join(dir, "dind.toml")
	for file, content := range map[string]string{payload: with(""), settings: "[engine]\nhost = \"" + e.Host + "\"\n[pool]\nsize = 1\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, log bytes.Buffer
	if code := Main([]string{"--settings", settings, "prepare"}, []string{"JOB_RESPONSE_FILE=" + payload}, &out, &log); code != 0 {
		t.Fatalf("exit code %d, log %q", code, log.String())
	}
	a := ends.Await(t, asked, "somebody to ask for another sandbox")
	if a.err != nil {
		t.Fatal(a.err)
	}
	p, err := plan.Decode(a.text)
	if err != nil || p.Spec == "" || p.Sandbox != "" || p.Sidecar.Image.Name != "docker:dind" || p.Pool.Size != 1 {
		t.Errorf("asked for %+v (%v)", p, err)
	}
}
