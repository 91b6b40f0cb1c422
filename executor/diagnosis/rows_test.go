package diagnosis

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"gitlab-dind-executor/driver/looking"
)

// recorded are the texts of a row in testdata/rows. shows are texts with the row's cause,
// marked with the tool and its version. silent are texts of others with the same words.
// docker 20.10.24, 26.1.5, 28.5.2 and 29.7.2 (its client), buildx 0.13.1 and 0.29.1, podman
// 4.3.1 and the shells were run for their texts. So were compose 1.29.2 and 2.26.1. Other
// texts come from sources and public reports.
type recorded struct{ shows, silent []txtar.File }

func recordings(t *testing.T) map[string]recorded {
	t.Helper()
	paths, err := filepath.Glob("testdata/rows/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	all := map[string]recorded{}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r recorded
		for _, f := range a.Files {
			if strings.HasPrefix(f.Name, "silent: ") {
				r.silent = append(r.silent, f)
			} else {
				r.shows = append(r.shows, f)
			}
		}
		all[strings.TrimSuffix(filepath.Base(path), ".txt")] = r
	}
	return all
}

// raw is a recorded text with real control characters, which its file spells out.
func raw(f txtar.File) string {
	return strings.NewReplacer("<ESC>", "\x1b", "<CR>", "\r").Replace(string(f.Data))
}

// said is a whole job log: the lines before the command have nothing to do with the
// command.
func said(text string) string {
	return "\x1b[32;1m$ apk add git\x1b[0;m\nOK: 12 MiB in 20 packages\n\x1b[32;1m$ the command\x1b[0;m\n" + text
}

// version marks a text: a tool, and its release.
var version = regexp.MustCompile(`^[a-zA-Z][\w .-]* v?\d[\w.+-]*(?:, .+)?$`)

func TestEachRecordedTextShowsItsRowAlone(t *testing.T) {
	all := recordings(t)
	for _, r := range rows {
		rec, ok := all[r.name]
		delete(all, r.name)
		if !ok || len(rec.shows) < 2 || len(rec.silent) < 1 {
			t.Errorf("testdata/rows/%s.txt has %d texts that show it and %d that must not; want 2 and 1", r.name, len(rec.shows), len(rec.silent))
		}
		for _, f := range rec.shows {
			if !version.MatchString(f.Name) {
				t.Errorf("%s: %q names no tool with its version", r.name, f.Name)
			}
			alone := read(raw(f))
			for _, text := range []string{raw(f), said(raw(f))} {
				var shown []string
				all := read(text)
				if text != raw(f) && reflect.DeepEqual(all, alone) {
					continue // rows see nothing else of a text
				}
				for _, other := range rows {
					if d, ok := firstOf(other, all); ok {
						shown = append(shown, other.name)
						if strings.ContainsAny(d.Line+d.Hint, "\n{}") || d.Line == "" || d.Hint == "" {
							t.Errorf("%s: %s: more than a line and a hint: %+v", r.name, f.Name, d)
						}
					}
				}
				if len(shown) != 1 || shown[0] != r.name {
					t.Errorf("%s: %s shows %q:\n%s", r.name, f.Name, shown, text)
				}
			}
		}
	}
	for name := range all {
		t.Errorf("testdata/rows/%s.txt is of no row", name)
	}
}

func firstOf(r row, said []output) (Diagnosis, bool) {
	for _, s := range said {
		if d, ok := r.explains(s); ok {
			return d, true
		}
	}
	return Diagnosis{}, false
}

func TestTextsOfOthersSayNothing(t *testing.T) {
	for name, rec := range recordings(t) {
		for _, f := range rec.silent {
			for _, text := range []string{raw(f), said(raw(f))} {
				saysNothing(t, name+": "+f.Name, text)
			}
		}
	}
}

// silent are outputs without a match in any row. Rows see nothing else of a text.
var silent = map[string]bool{}

func saysNothing(t *testing.T, name, text string) {
	t.Helper()
	seen := fmt.Sprintf("%#v", read(text))
	if silent[seen] {
		return
	}
	silent[seen] = true
	if d, ok := Of(Failure{Output: text, Sidecar: looking.SidecarState{Known: true, Running: true}}); ok {
		t.Errorf("%s: diagnosed as %q:\n%s", name, d.Line, text)
	}
}

// A reader who looks for the text finds the section.
func TestEachRowHasASectionInTheTroubleshootingPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for line := range strings.Lines(string(page)) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			headings = append(headings, strings.TrimSpace(heading))
		}
	}
	all := recordings(t)
	for _, r := range rows {
		found := false
		for _, h := range headings {
			found = found || strings.Contains(h, r.section)
		}
		if r.section == "" || !found {
			t.Errorf("%s: docs/troubleshooting.md has no section with %q", r.name, r.section)
		}
		found = false
		for _, f := range all[r.name].shows {
			found = found || strings.Contains(raw(f), r.section)
		}
		if !found {
			t.Errorf("%s: no recorded text has %q", r.name, r.section)
		}
	}
}
