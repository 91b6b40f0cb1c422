package executor

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/test/fakeengine"
)

// A sandbox that has nobody's layers would wait for no job.
func TestFillingThePoolMakesNoneWhereLayersAreCached(t *testing.T) {
	e := fakeengine.New(t)
	settings := filepath.Join(t.TempDir(), "dind.toml")
	if err := os.WriteFile(settings, []byte("[engine]\nhost = \""+e.Host+"\"\n[pool]\nsize = 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	code := Main([]string{"--settings", settings, "pool", "fill", "--runner-version", "18.6.6"}, nil, &out, &log)
	if code != 0 || !strings.HasPrefix(out.String(), "made 0: layers are cached") || log.Len() > 0 || len(e.Objects()) > 0 {
		t.Errorf("exit code %d, said %q and %q, made %q", code, out.String(), log.String(), e.Objects())
	}
}
