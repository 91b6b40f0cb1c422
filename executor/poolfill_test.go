package executor

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitlab-dind-executor/config"
	"gitlab-dind-executor/driver/plan"
	"gitlab-dind-executor/test/fakeengine"
)

// A sandbox without a scope's layers would wait for no job.
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

// filling is a pool that may want sandboxes, and makes three bare ones and two others.
type filling struct {
	pooler
	wanted bool
}

func (f filling) LetBegin(context.Context, *plan.Plan) bool       { return f.wanted }
func (filling) Facts(context.Context) (plan.Facts, error)         { return plan.Facts{}, nil }
func (filling) FillBare(context.Context, *plan.Plan) (int, error) { return 3, nil }
func (filling) Fill(context.Context, *plan.Plan, func(context.Context) error) (int, error) {
	return 2, nil
}

func TestAllThatFillingMakesCounts(t *testing.T) {
	for _, c := range []struct {
		wanted     bool
		bare, want int
	}{{true, 1, 5}, {false, 1, 3}, {false, 0, 0}} {
		p := &plan.Plan{Bare: plan.Bare{Size: c.bare}}
		if made, err := fill(t.Context(), filling{wanted: c.wanted}, config.Settings{}, p); err != nil || made != c.want {
			t.Errorf("%+v: made %d, %v", c, made, err)
		}
	}
}
